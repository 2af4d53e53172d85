//! The names of all metrics and what they mean.

use super::family::Name;

pub(super) const BUILD: Name = ("claviger_build_info", "Which build this is; always 1.");
pub(super) const HTTP_DURATION: Name =
    ("http_server_request_duration_seconds", "How long requests to the API took.");
pub(super) const HTTP_CONNECTIONS: Name =
    ("claviger_http_connections", "Connections to the API that are open.");
pub(super) const HTTP_READERS: Name =
    ("claviger_http_event_readers", "Streams of events that are open.");
pub(super) const HTTP_CLOSED: Name = (
    "claviger_http_connections_closed_total",
    "Connections to the API that were ended, by reason.",
);

pub(super) const UDP_RECEIVED: Name = ("claviger_udp_datagrams_total", "Datagrams, by direction.");
pub(super) const UDP_NOT_SENT: Name =
    ("claviger_udp_send_errors_total", "Datagrams that the system did not take.");
pub(super) const UDP_OVERFLOWED: Name = (
    "claviger_udp_receive_buffer_drops_total",
    "Datagrams that the kernel dropped because the socket's buffer was full.",
);
pub(super) const UDP_DROPPED: Name =
    ("claviger_udp_datagrams_dropped_total", "Records and messages dropped, by reason.");
pub(super) const UDP_CUT_OFF: Name = (
    "claviger_udp_datagrams_cut_off_total",
    "Datagrams that were not looked at because no node that runs the actors was heard.",
);
pub(super) const HANDSHAKES: Name =
    ("claviger_dtls_handshakes_total", "Handshakes that have ended, by result.");
pub(super) const ESTABLISHED: Name = (
    "claviger_dtls_sessions_established_total",
    "Handshakes that have ended with a session, by what the device proved itself with.",
);
pub(super) const SIGNATURES: Name =
    ("claviger_dtls_signatures_total", "Signatures of the listener's key, by what came of it.");
pub(super) const STRAYS: Name = (
    "claviger_dtls_strays_total",
    "Datagrams of sessions that this edge did not hold, by what came of asking for the session.",
);
pub(super) const RESTORED: Name = (
    "claviger_dtls_sessions_restored_total",
    "Sessions that went on at this edge without a handshake.",
);
pub(super) const RESTED: Name = (
    "claviger_dtls_sessions_rested_total",
    "Sessions that this edge let go because they were silent; a record brings them back.",
);
pub(super) const RESUMPTIONS: Name =
    ("claviger_dtls_resumption_calls_total", "Steps of resumptions asked of the ledger.");
pub(super) const HANDSHAKE_DURATION: Name = (
    "claviger_dtls_handshake_duration_seconds",
    "How long handshakes took that ended with a session.",
);
pub(super) const HANDSHAKES_IN_PROGRESS: Name =
    ("claviger_dtls_handshakes_in_progress", "Handshakes under way.");
pub(super) const HELLO_VERIFY: Name =
    ("claviger_dtls_hello_verify_total", "HelloVerifyRequests sent.");
pub(super) const COOKIES: Name =
    ("claviger_dtls_cookies_accepted_total", "ClientHellos with a valid cookie.");
pub(super) const DTLS_RETRANSMISSIONS: Name =
    ("claviger_dtls_retransmissions_total", "Flights of handshakes sent again.");
pub(super) const OPENS: Name =
    ("claviger_dtls_open_calls_total", "Credential steps asked of the ledger.");
pub(super) const LATE_ANSWERS: Name = (
    "claviger_dtls_open_calls_late_total",
    "Credential steps answered after their handshake was gone.",
);
pub(super) const ALERTS: Name =
    ("claviger_dtls_alerts_total", "Plaintext alerts: sent, or held back by their prefix's limit.");
pub(super) const DTLS_SESSIONS: Name =
    ("claviger_dtls_sessions", "Sessions whose keys this edge holds.");
pub(super) const RECORDS: Name = ("claviger_dtls_records_total", "Protected records.");
pub(super) const FRAMES_UNDONE: Name =
    ("claviger_edge_frames_undone_total", "Frames of actors that the edge did not carry out.");

pub(super) const EDGE_FRAMES_LOST: Name = (
    "claviger_edge_frames_lost_total",
    "Frames of edges that had no way to the actors: no leader is known, or the line to it is full.",
);

pub(super) const ACTORS: Name = ("claviger_actors", "Actors that are awake.");
pub(super) const ACTIVATIONS: Name =
    ("claviger_actor_activations_total", "Actors spawned, by reason.");
pub(super) const MAILBOX_FULL: Name =
    ("claviger_actor_mailbox_full_total", "Frames dropped because a mailbox was full.");
pub(super) const FRAMES_REJECTED: Name = (
    "claviger_actor_frames_rejected_total",
    "Frames of edges that could not be read, or named nothing that exists.",
);
pub(super) const REPLAYS: Name =
    ("claviger_dtls_records_replayed_total", "Records refused because they were read before.");
pub(super) const SESSIONS_OPENED: Name =
    ("claviger_dtls_sessions_opened_total", "Sessions opened by the ledger.");
pub(super) const OPENS_REFUSED: Name =
    ("claviger_dtls_opens_refused_total", "Sessions not opened, by reason.");
pub(super) const FINDS: Name = (
    "claviger_session_finds_total",
    "Looks for sessions that an edge did not hold, by whether it goes on with one.",
);
pub(super) const SESSIONS_MOVED: Name = (
    "claviger_session_moves_total",
    "Sessions that were given to another edge because theirs was gone.",
);
pub(super) const SIGNED: Name =
    ("claviger_listener_signatures_total", "Signatures made with keys of listeners.");
pub(super) const RESUMPTIONS_ACCEPTED: Name = (
    "claviger_session_resumptions_accepted_total",
    "Sessions that were offered to be resumed and can be: the first of two steps.",
);
pub(super) const BOOTSTRAPS_STARTED: Name =
    ("claviger_bootstrap_sessions_started_total", "Bootstraps begun.");
pub(super) const BOOTSTRAPS_REVIVED: Name = (
    "claviger_bootstrap_sessions_revived_total",
    "Bootstraps of before this node led whose devices were asked whether they still wait.",
);
pub(super) const BOOTSTRAPS_FINISHED: Name =
    ("claviger_bootstrap_sessions_finished_total", "Bootstraps ended, by result.");
pub(super) const BOOTSTRAP_FAILURES: Name = (
    "claviger_bootstrap_failures_total",
    "Bootstraps and requests for one that came to nothing, each once, by reason.",
);
pub(super) const BOOTSTRAP_STAGE: Name =
    ("claviger_bootstrap_stage_total", "Stages of bootstraps ended: how far devices get.");
pub(super) const COAP_REQUESTS: Name =
    ("claviger_coap_requests_total", "CoAP requests of devices.");
pub(super) const COAP_RETRANSMISSIONS: Name =
    ("claviger_coap_retransmissions_total", "CoAP messages sent again.");
pub(super) const COAP_DUPLICATES: Name =
    ("claviger_coap_duplicates_total", "CoAP messages received again.");
pub(super) const COAP_REFUSED: Name = (
    "claviger_coap_refused_total",
    "CoAP messages rejected, dropped or refused before anybody acted on them, each once, by reason.",
);

pub(super) const HAS_LEADER: Name = ("claviger_raft_has_leader", "1 while a leader is known.");
pub(super) const IS_LEADER: Name = ("claviger_raft_is_leader", "1 while this node leads.");
pub(super) const TERM: Name = ("claviger_raft_term", "The term.");
pub(super) const VOTERS: Name = ("claviger_raft_voters", "Nodes of the ledger that vote.");
pub(super) const LEARNERS: Name =
    ("claviger_raft_learners", "Nodes of the ledger that have everything and no vote.");
pub(super) const BEHIND: Name = (
    "claviger_raft_behind_entries",
    "Entries that the member lacks that is furthest behind, at the leader; 0 elsewhere.",
);
pub(super) const CONTACT: Name = (
    "claviger_ledger_follower_contact_seconds",
    "The longest time since a member answered this node, while it leads.",
);
pub(super) const FORWARDED: Name = (
    "claviger_raft_calls_forwarded_total",
    "Proposals and reads that this node asked of the leader at another one.",
);
pub(super) const LAST_INDEX: Name =
    ("claviger_raft_last_log_index", "The highest index in this node's log.");
pub(super) const APPLIED_INDEX: Name =
    ("claviger_raft_applied_index", "The highest index applied here.");
pub(super) const PROPOSALS_COMMITTED: Name =
    ("claviger_raft_proposals_committed_total", "Proposals committed and applied here.");
pub(super) const PROPOSALS_FAILED: Name =
    ("claviger_raft_proposals_failed_total", "Proposals refused, lost, or of unknown fate.");
pub(super) const PROPOSALS_PENDING: Name =
    ("claviger_raft_proposals_pending", "Proposals that wait for their commit.");
pub(super) const FSYNC: Name =
    ("claviger_ledger_fsync_duration_seconds", "How long forcing the log to disk took.");
pub(super) const FREE_SPACE: Name =
    ("claviger_ledger_disk_free_bytes", "Free space on the disk of the ledger.");
pub(super) const SHORT_OF_SPACE: Name = (
    "claviger_ledger_short_of_space",
    "1 while free space is below the reserve and proposals are refused.",
);
pub(super) const WITHOUT_SPACE: Name = (
    "claviger_ledger_proposals_without_space_total",
    "Proposals refused because free space was below the reserve.",
);
pub(super) const TORN_TAILS: Name =
    ("claviger_ledger_torn_tails_total", "Torn log tails cut off at the start.");
pub(super) const SNAPSHOTS: Name =
    ("claviger_ledger_snapshots_total", "Snapshots, by what was done.");

pub(super) const EDGES_CONNECTED: Name =
    ("claviger_edges_connected", "Edges that are connected to this node, while it leads.");
pub(super) const EDGES_MUTE: Name = (
    "claviger_edges_mute",
    "Edges connected to this node, while it leads, that answer no device: they lack a leader or keys.",
);
pub(super) const DRAINING: Name = (
    "claviger_node_draining",
    "1 while this process leaves: it is unready, and its edges take no new handshakes.",
);
pub(super) const EDGES_CAME: Name =
    ("claviger_edges_came_total", "Edges that came to this node while it led, by what it said.");
pub(super) const HUB_LOST: Name = (
    "claviger_hub_frames_lost_total",
    "Frames of actors that were dropped because their edge was behind, or gone.",
);
pub(super) const UPLINK_CHANGES: Name = (
    "claviger_edge_leader_changes_total",
    "How often edges of this node changed over to another leader, or to none.",
);
pub(super) const UPLINK_SILENCES: Name = (
    "claviger_edge_heartbeats_missed_total",
    "How often edges of this node left a leader that had said nothing for two seconds.",
);
pub(super) const UPLINK_BROKEN: Name = (
    "claviger_edge_lines_broken_total",
    "Lines from edges of this node to nodes of the ledger that broke, or were not to be had.",
);
pub(super) const UPLINK_LOST: Name = (
    "claviger_edge_frames_dropped_total",
    "Frames of actors that came for an edge that was behind, or from a node that leads no more.",
);

pub(super) const LINK_CONNECTIONS: Name =
    ("claviger_link_connections", "Connections with other nodes that stand, or are being made.");
pub(super) const LINK_PEERS: Name =
    ("claviger_link_peers", "Nodes of the ledger to which a connection of this node stands.");
pub(super) const LINK_ROUND_TRIP: Name = (
    "claviger_link_round_trip_seconds",
    "The longest round trip to a node of the ledger, over the connections that stand.",
);
pub(super) const CERTIFICATE_RENEWS: Name = (
    "claviger_node_certificate_renewal_timestamp_seconds",
    "When this node's certificate is to be renewed, since the Unix epoch; 0 without one.",
);
pub(super) const CERTIFICATE_EXPIRES: Name = (
    "claviger_node_certificate_expiry_timestamp_seconds",
    "Until when this node's certificate holds, since the Unix epoch; 0 without one.",
);
pub(super) const LINK_CONNECTED: Name =
    ("claviger_link_connections_made_total", "Connections with other nodes that were made.");
pub(super) const LINK_REFUSED: Name = (
    "claviger_link_connections_refused_total",
    "Connections with other nodes that did not come to be, by reason.",
);
pub(super) const LINK_FRAMES: Name =
    ("claviger_link_frames_total", "Frames between nodes, by direction and purpose.");
pub(super) const LINK_BYTES: Name =
    ("claviger_link_bytes_total", "Bytes of frames between nodes, by direction and purpose.");

pub(super) const IMPORTS: Name =
    ("claviger_factory_keys_total", "Encrypted keys of factory lists, by what came of them.");
pub(super) const EXPORTS: Name =
    ("claviger_exports_total", "Exports of a tenant, by whether with secrets, begun and finished.");

pub(super) const WEBHOOKS: Name =
    ("claviger_webhook_attempts_total", "Messages to LwM2M servers, by what came of them.");
pub(super) const LESHAN: Name = (
    "claviger_leshan_attempts_total",
    "Changes of Leshan servers' security stores, by what came of them.",
);
pub(super) const OUTBOX_WAITING: Name =
    ("claviger_outbox_waiting", "Credentials that an LwM2M server is still to be told of.");

pub(super) const LOOKUPS: Name =
    ("claviger_psk_lookups_total", "Keys that LwM2M servers asked for, by what came of it.");

pub(super) const SPANS: Name = (
    "claviger_traces_spans_total",
    "Spans of traces: taken by the collector, sent and not taken, or dropped because too many waited.",
);

pub(super) const SEALED: Name =
    ("claviger_sealed", "1 while this node is sealed: it has not opened the root key.");
pub(super) const KEY_PROVIDER: Name =
    ("claviger_key_provider_up", "1 while the provider of the KEK that wraps answers this node.");
pub(super) const ROOT_KEY: Name =
    ("claviger_root_key_version", "The newest version of the root key; 0 before there is one.");
pub(super) const KEYS_RETIRING: Name =
    ("claviger_keys_retiring", "Replaced root and tenant keys that are not destroyed yet.");
pub(super) const KEYS_RESEALED: Name = (
    "claviger_keys_resealed_total",
    "Secrets that this node sealed anew under a newer tenant key, by what came of it.",
);
pub(super) const KEYS_WRAPPED: Name = (
    "claviger_tenant_keys_wrapped_total",
    "Tenant keys that this node brought under a newer root key.",
);
