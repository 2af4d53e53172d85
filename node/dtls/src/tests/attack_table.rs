//! Which test stands for which known attack, and a test that holds this true.
//!
//! The items are those of the defects that other stacks had or have (CVEs, state machine fuzzing of
//! thirteen DTLS servers and clients, and what was found in `webrtc-dtls`), and the clauses of the
//! RFCs that implementations tend to miss. A row names its tests as `file::test`; a test that is
//! renamed or removed without its row fails [`the_table_is_true`].

/// What is attacked, and the tests that defend it.
const TABLE: &[(&str, &[&str])] = &[
    (
        "plaintext alerts, data, handshakes and ChangeCipherSpecs after completion",
        &[
            "records::plaintext_after_completion_changes_nothing",
            "bad_input::forged_alerts_are_ignored_wherever_they_come",
            "client::plaintext_does_not_disturb_an_open_connection",
        ],
    ),
    (
        "a record that does not verify: never answered, never the end of a session",
        &[
            "records::a_record_that_does_not_verify_is_never_answered",
            "attacks::forgeries_are_counted_and_close_nothing",
        ],
    ),
    (
        "epochs: a hello in epoch 1, epochs that do not exist, connection ids in epoch 0",
        &[
            "hello::a_client_hello_in_another_epoch_is_no_hello",
            "bad_input::other_epochs_are_counted_as_such",
        ],
    ),
    (
        "ChangeCipherSpec: forged, in an epoch above 0, many, too early, of another length",
        &[
            "bad_input::forged_change_cipher_specs_change_nothing",
            "handshake::a_change_cipher_spec_is_one_byte_and_has_its_place",
            "handshake::nothing_opens_before_all_three_have_come",
        ],
    ),
    (
        "Finished: early, in clear, of another key, under another suite, repeated",
        &[
            "handshake::an_early_finished_and_other_messages_have_no_place",
            "handshake::the_same_finished_again_is_a_replay",
            "credential::a_forged_flight_does_not_kill_the_handshake",
            "suites::every_flipped_bit_of_a_finished_is_noticed_in_every_suite",
            "fuzz::disturbed_conversations_open_nothing_without_the_key_and_panic_nowhere",
        ],
    ),
    (
        "fragments: floods, overlaps, contradictions, empty ones, deep chains, huge numbers",
        &[
            "bad_input::a_hello_in_thirty_thousand_fragments_leaves_nothing_behind",
            "bad_input::fragments_of_every_other_message_hold_one_message_at_most",
            "handshake::fragments_that_contradict_each_other_do_not_keep_the_message_out",
            "reassembly::any_order_of_overlapping_fragments_gives_the_message",
            "reassembly::refuses_an_empty_fragment_of_a_message_that_is_not",
            "hello::refuses_huge_message_and_record_numbers",
            "wire_handshake::refuses_a_fragment_past_its_total",
        ],
    ),
    (
        "memory of a peer that has proven nothing",
        &[
            "hello::a_fragmented_hello_leaves_nothing_behind",
            "fuzz::many_strangers_leave_no_more_than_the_table_holds",
            "hello::the_oldest_half_open_handshake_gives_way",
            "resumption::resumptions_are_bounded_and_the_oldest_gives_way",
        ],
    ),
    (
        "truncation anywhere",
        &[
            "hello::no_truncation_of_the_hello_begins_a_handshake",
            "wire_hello::every_truncation_of_a_client_hello_is_refused",
            "wire_extension::refuses_a_block_of_one_byte_and_trailing_bytes",
            "bad_input::a_key_exchange_cut_anywhere_asks_nobody",
            "bad_input::every_truncation_of_a_record_is_malformed",
            "fuzz::no_mutation_panics_a_parser",
        ],
    ),
    (
        "the cookie: another address, other parameters, too late, amplified, skipped",
        &[
            "hello::a_cookie_of_another_address_is_as_good_as_none",
            "hello::a_cookie_with_changed_parameters_or_too_late_is_as_good_as_none",
            "hello::the_verify_request_echoes_numbers_in_dtls_1_0_and_amplifies_nothing",
            "bad_input::many_hellos_in_one_datagram_bring_one_answer",
            "resumption::never_without_the_cookie",
            "bad_input::a_hello_with_a_session_id_is_a_new_handshake_behind_a_cookie",
        ],
    ),
    (
        "a hello on a live address, with and without resumption",
        &[
            "handshake::a_new_handshake_leaves_the_session_of_its_address_alone_until_it_is_proven",
            "handshake::a_handshake_with_a_wrong_key_leaves_the_session_of_its_address_alone",
            "handshake::a_session_with_an_id_outlives_a_new_handshake_of_its_address",
            "resumption::a_resumption_leaves_the_session_of_its_address_alone_until_it_is_proven",
        ],
    ),
    (
        "replays, the last sequence, a window that is moved by a forgery",
        &[
            "records::a_record_is_handed_out_once",
            "records::a_forged_number_does_not_move_the_window",
            "records::the_last_sequence_is_read_and_nothing_below_its_window",
            "replay::agrees_with_a_set",
            "takeover::what_was_read_before_is_not_read_again",
        ],
    ),
    (
        "connection ids: address changes, foreign ids, collisions, other forms, padding alone",
        &[
            "records::ids_may_come_from_any_address_but_answers_go_where_the_owner_says",
            "records::connection_ids_that_nobody_made_or_holds_are_told_apart",
            "records::once_ids_are_agreed_on_records_without_are_dropped",
            "handshake::records_of_the_wrong_form_are_no_finished",
            "attacks::an_id_that_a_session_here_has_is_not_given_out_again",
            "protection::an_inner_plaintext_of_padding_alone_means_nothing",
        ],
    ),
    (
        "identities: unknown, hidden, empty, of any bytes, of 64 KiB; their enumeration",
        &[
            "credential::an_unknown_identity_gets_alert_115",
            "credential::a_hidden_unknown_identity_looks_like_a_wrong_key",
            "credential::an_identity_is_any_bytes_and_may_be_empty",
            "bad_input::an_identity_of_64_kibibytes_is_too_long_a_message",
            "hello::alerts_to_one_prefix_are_bounded",
        ],
    ),
    (
        "CBC: paddings that underflow or tell, a MAC over another header",
        &[
            "cbc::a_padding_longer_than_the_record_fails_like_a_bad_mac",
            "cbc::every_flipped_bit_of_a_mac_is_noticed",
            "protection::every_length_of_body_is_refused_without_a_panic",
            "records::forgeries_that_are_dear_to_see_through_are_looked_at_up_to_a_limit",
            "suites::encrypt_then_mac_is_agreed_with_a_block_cipher_and_never_with_an_aead",
        ],
    ),
    (
        "extended master secret: a resumption that loses it or never had it (RFC 7627 §5.3)",
        &[
            "resumption::a_session_without_extended_master_secret_is_not_resumable",
            "resumption::a_hello_that_lost_its_extended_master_secret_is_refused",
        ],
    ),
    (
        "session ids and tickets: forged, expired, of another host name, of a revoked credential",
        &[
            "resumption::a_name_that_the_cluster_never_made_asks_nobody",
            "resumption::a_name_that_nobody_keeps_leads_to_a_full_handshake",
            "resumption::not_for_longer_than_its_lifetime",
            "resumption::not_with_a_suite_that_the_hello_does_not_offer_nor_under_another_host_name",
            "resumption::a_credential_that_is_no_longer_good_ends_it_with_alert_49",
        ],
    ),
    (
        "renegotiation: inside a session, signalled, with stale verify_data (RFC 5746)",
        &[
            "records::renegotiation_and_other_handshakes_inside_a_session_are_dropped",
            "hello::answers_either_signal_of_secure_renegotiation",
            "hello::refuses_what_has_nothing_in_common_with_a_fatal_alert",
        ],
    ),
    (
        "lost flights: 1 to 6, and both of a resumption; repetition is bounded",
        &[
            "handshake::a_lost_verify_request_is_asked_for_again",
            "handshake::a_lost_flight_4_is_sent_again_by_timer_with_new_record_numbers",
            "handshake::a_repeated_client_hello_brings_flight_4_again_up_to_a_limit",
            "handshake::a_lost_last_flight_is_asked_for_at_most_once_a_second",
            "records::the_last_flight_is_kept_for_four_minutes",
            "resumption_loss::a_lost_flight_is_asked_for_again_under_another_number",
            "resumption_loss::a_lost_last_flight_of_the_client_is_sent_again",
            "resumption_loss::a_lost_last_flight_behind_which_data_arrives_ends_well",
            "attacks::the_first_wait_can_be_nine_seconds",
        ],
    ),
    (
        "nonces: epoch and sequence, never twice, whoever takes over",
        &[
            "suites::a_record_bears_its_number_as_its_nonce_and_the_suites_tag",
            "records::no_sequence_is_sealed_twice_or_backwards_or_past_48_bits",
            "numbering::no_nonce_protects_two_records",
            "resumption::an_edge_that_asks_with_anything_changed_gets_other_keys",
            "cbc::no_two_numbers_have_one_vector",
        ],
    ),
    (
        "one slow or silent peer holds up the others",
        &[
            "handshake::a_waiting_handshake_delays_nobody",
            "handshake::a_handshake_ends_after_a_minute_of_silence",
        ],
    ),
    (
        "a session that is closed goes on, at the server and at the client",
        &[
            "bad_input::a_closed_session_takes_nothing_any_more",
            "records::an_alert_is_for_the_owner_to_judge",
            "attacks::after_its_end_the_client_reads_nothing",
        ],
    ),
    (
        "certificates: none, without CertificateVerify, of another key, untrusted, too long",
        &[
            "keys::a_client_certificate_without_its_verification_asks_nobody",
            "keys::a_client_that_presents_nothing_asks_nobody",
            "keys::every_flipped_byte_of_a_clients_flight_is_noticed_before_anybody_is_asked",
            "keys::a_forged_flight_does_not_keep_the_real_one_out",
            "keys::a_chain_that_is_not_trusted_gets_alert_42",
            "keys::an_unknown_key_gets_alert_46_or_silence",
            "keys::a_client_refuses_a_server_that_did_not_sign_or_is_not_trusted",
            "keys::a_client_takes_each_message_of_a_server_once_and_in_its_place",
            "keys::a_client_that_offered_pre_shared_keys_takes_no_certificates",
            "wire_certificate::refuses_what_does_not_end_where_it_says",
            "wire_certificate::refuses_signatures_of_other_schemes_and_lengths",
            "curves::an_identity_that_no_message_can_bear_is_refused_in_words",
        ],
    ),
    (
        "key agreement: points off the curve, shares of low order, explicit curves, SHA-1",
        &[
            "keys::a_share_that_is_no_point_asks_nobody",
            "curves::a_shared_secret_of_zeros_is_none_and_others_do_not_print",
            "wire_key_exchange::refuses_explicit_curves_and_unknown_groups",
            "server_hello::a_hello_without_signature_algorithms_has_no_signed_suite",
            "keys::the_ledger_side_takes_no_evidence_that_lacks_or_invents_a_shared_secret",
        ],
    ),
    (
        "an edge that is gone, or tells of what is not so",
        &[
            "resume::nothing_is_kept_of_a_handshake_without_a_pre_shared_key_whatever_handle_an_edge_gave",
            "resumption::where_no_pre_shared_key_is_needed_no_handle_is_given",
            "resumption::a_session_of_a_suite_of_another_listener_takes_a_full_handshake",
            "resumption::offers_that_contradict_the_hello_are_malformed_and_old_ones_stale",
        ],
    ),
    (
        "what a cookie buys: flights by turns of hellos, a queue filled from one prefix",
        &[
            "hello::hellos_that_take_turns_get_no_more_flights_than_one",
            "hello::while_the_queue_is_full_each_prefix_has_a_share_of_it",
        ],
    ),
    (
        "a client is answered by what it did not ask for",
        &[
            "client::refuses_a_choice_that_it_did_not_offer",
            "suites::the_client_refuses_a_suite_that_exists_but_that_it_did_not_offer",
            "attacks::the_client_takes_no_message_that_has_no_place",
        ],
    ),
    // What was found in webrtc-dtls, by its number there.
    (
        "W1: one forged record ends a session",
        &["records::a_record_that_does_not_verify_is_never_answered"],
    ),
    (
        "W2: an alert in clear ends a session",
        &[
            "records::plaintext_after_completion_changes_nothing",
            "bad_input::forged_alerts_are_ignored_wherever_they_come",
        ],
    ),
    ("W3: data in clear ends a session", &["records::plaintext_after_completion_changes_nothing"]),
    (
        "W4: a hello in thousands of fragments is put together, by recursion",
        &["bad_input::a_hello_in_thirty_thousand_fragments_leaves_nothing_behind"],
    ),
    (
        "W5: an extension block of one byte is read past its end",
        &[
            "wire_extension::refuses_a_block_of_one_byte_and_trailing_bytes",
            "hello::no_truncation_of_the_hello_begins_a_handshake",
        ],
    ),
    (
        "W6: a hello with a session id is misread",
        &["bad_input::a_hello_with_a_session_id_is_a_new_handshake_behind_a_cookie"],
    ),
    (
        "W7: one half-open handshake holds up the listener",
        &[
            "handshake::a_waiting_handshake_delays_nobody",
            "handshake::a_handshake_ends_after_a_minute_of_silence",
        ],
    ),
    (
        "W8: an address is never forgotten, and a device that comes back from it is not heard",
        &[
            "attacks::a_device_that_lost_its_session_opens_another_from_the_same_address",
            "handshake::a_new_handshake_leaves_the_session_of_its_address_alone_until_it_is_proven",
        ],
    ),
    (
        "W9: keys and certificates are made for handshakes that need none",
        &["attacks::a_handshake_with_a_pre_shared_key_computes_on_no_curve"],
    ),
    (
        "W10: a padding in CBC underflows or tells",
        &[
            "cbc::a_padding_longer_than_the_record_fails_like_a_bad_mac",
            "protection::every_length_of_body_is_refused_without_a_panic",
        ],
    ),
    // dtls-fuzzer's catalogue of servers.
    (
        "ContinueAfterCloseNotify, ContinueAfterFatalAlert",
        &["state_machine::a_session_that_its_client_has_ended_answers_nothing"],
    ),
    (
        "CrashOnCCS, MultipleChangeCipherSpec",
        &[
            "bad_input::forged_change_cipher_specs_change_nothing",
            "state_machine::no_letter_at_any_place_of_a_handshake_does_harm",
        ],
    ),
    (
        "EarlyFinished, FinishedBeforeCCS",
        &[
            "handshake::an_early_finished_and_other_messages_have_no_place",
            "handshake::nothing_opens_before_all_three_have_come",
            "state_machine::no_word_of_a_client_does_harm",
        ],
    ),
    (
        "HandshakeRestarted, InvalidHandshakeStart, HelloVerifyRequestRetransmission",
        &[
            "state_machine::no_letter_at_any_place_of_a_handshake_does_harm",
            "state_machine::no_word_of_a_client_does_harm",
        ],
    ),
    (
        "InsecureRenegotiation",
        &[
            "records::renegotiation_and_other_handshakes_inside_a_session_are_dropped",
            "state_machine::no_word_of_a_client_does_harm",
        ],
    ),
    (
        "InvalidFinishedAsRetransmission",
        &["state_machine::a_finished_that_is_not_the_one_before_asks_for_nothing"],
    ),
    (
        "InvalidHelloVerifyRequestResponse",
        &["hello::a_cookie_with_changed_parameters_or_too_late_is_as_good_as_none"],
    ),
    // And of clients.
    (
        "a client's ContinueAfterCloseNotify, ContinueAfterFatalAlert",
        &["attacks::after_its_end_the_client_reads_nothing"],
    ),
    (
        "DHwithoutServerKeyExchange, a client's EarlyFinished and FinishedBeforeCCS, a handshake with \
         an invalid message_seq, RetransmittedFlight5, ServerHelloFlightRestart, \
         UnexpectedClientHelloResponse",
        &[
            "state_machine_client::no_letter_at_any_place_of_a_handshake_confuses_a_client",
            "state_machine_client::no_word_of_a_server_confuses_a_client",
        ],
    ),
    (
        "IncorrectCertificateRequest, MultipleCertificateRequest, ReorderedCertificateRequest, \
         MultipleCertificate, MultipleServerKeyExchange",
        &[
            "keys::a_client_takes_each_message_of_a_server_once_and_in_its_place",
            "state_machine_client::no_word_of_a_server_confuses_a_client",
        ],
    ),
    (
        "UnrequestedCertificate",
        &[
            "keys::a_client_that_offered_pre_shared_keys_takes_no_certificates",
            "state_machine_client::no_word_of_a_server_confuses_a_client",
        ],
    ),
    // Clauses that implementations miss.
    (
        "records longer than a peer takes (RFC 8449 §4, RFC 6066 §4)",
        &[
            "limits::flights_and_data_to_a_client_keep_to_its_limit",
            "limits::a_length_that_is_none_gets_alert_47",
            "limits::a_client_does_not_read_a_record_above_its_limit",
        ],
    ),
    (
        "an address that is proven by nothing, or by an answer from elsewhere (RFC 9146 §6, RFC 9853)",
        &[
            "rrc::a_challenge_goes_where_the_owner_says",
            "rrc::without_the_extension_or_without_ids_nothing_is_checked",
            "rrc::in_clear_it_says_nothing",
        ],
    ),
    (
        "every flight of every mode: lost, doubled, reordered, late, or on a narrower path",
        &[
            "lossy::every_flight_of_every_mode_outlives_every_fault",
            "lossy::every_mode_completes_on_a_bad_network",
            "keys::flights_come_in_smaller_datagrams_after_loss",
        ],
    ),
];

/// The files that rows point into.
const FILES: &[(&str, &str)] = &[
    ("attacks", include_str!("attacks.rs")),
    ("bad_input", include_str!("bad_input.rs")),
    ("client", include_str!("client.rs")),
    ("credential", include_str!("credential.rs")),
    ("fuzz", include_str!("fuzz.rs")),
    ("handshake", include_str!("handshake.rs")),
    ("hello", include_str!("hello.rs")),
    ("keys", include_str!("keys.rs")),
    ("limits", include_str!("limits.rs")),
    ("lossy", include_str!("lossy.rs")),
    ("numbering", include_str!("numbering.rs")),
    ("records", include_str!("records.rs")),
    ("resumption", include_str!("resumption.rs")),
    ("resumption_loss", include_str!("resumption_loss.rs")),
    ("rrc", include_str!("rrc.rs")),
    ("state_machine", include_str!("state_machine.rs")),
    ("state_machine_client", include_str!("state_machine_client.rs")),
    ("suites", include_str!("suites.rs")),
    ("takeover", include_str!("takeover.rs")),
    ("cbc", include_str!("../cbc.rs")),
    ("curves", include_str!("../curves.rs")),
    ("protection", include_str!("../protection.rs")),
    ("reassembly", include_str!("../reassembly.rs")),
    ("replay", include_str!("../replay.rs")),
    ("resume", include_str!("../resume.rs")),
    ("server_hello", include_str!("../server/hello.rs")),
    ("wire_certificate", include_str!("../wire/certificate.rs")),
    ("wire_extension", include_str!("../wire/extension.rs")),
    ("wire_handshake", include_str!("../wire/handshake.rs")),
    ("wire_hello", include_str!("../wire/hello.rs")),
    ("wire_key_exchange", include_str!("../wire/key_exchange.rs")),
];

#[test]
fn the_table_is_true() {
    for (attack, tests) in TABLE {
        assert!(!tests.is_empty(), "{attack}");
        for test in *tests {
            let (file, name) = test.split_once("::").expect("file::test");
            let source = FILES.iter().find(|(known, _)| *known == file);
            let (_, source) = source.unwrap_or_else(|| panic!("{test}: no such file"));
            let written = source
                .split("#[test]")
                .skip(1)
                .any(|rest| rest.trim_start().starts_with(&format!("fn {name}(")));
            assert!(written, "{attack}: there is no test {test}");
        }
    }
}
