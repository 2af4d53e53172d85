//! The client's state up to the end of the server's flight.

use rand_core::CryptoRng;

use super::config::{ClientConfig, ClientFailure};
use super::open::{Connection, Ids, Limits};
use super::resume::{Expected, Resuming, Resumption};
use crate::curves::{CertificateType, Curves, Group, Presented, SignatureScheme};
use crate::keys::Form;
use crate::limit;
use crate::prf;
use crate::reassembly::Reassembly;
use crate::suite::Suite;
use crate::wire::DTLS_1_2;
use crate::wire::certificate::{self, Signed, put_schemes};
use crate::wire::extension::{Extensions, UNCOMPRESSED, chosen_type};
use crate::wire::handshake::{self, Fragment, kind};
use crate::wire::hello::{
    ClientHello, EMPTY_RENEGOTIATION_INFO_SCSV, ServerHello, decode_verify_request,
};
use crate::wire::key_exchange::ServerKeyExchange;
use crate::wire::record::{self, ContentType};

/// Longest identity and key.
const MAX_CREDENTIAL: usize = 4096;
/// Longest connection id (RFC 9146 §3), and host name.
const MAX_CID: usize = 255;
/// Most suites offered: far more than there are.
const MAX_SUITES: usize = 32;
/// How many cookies a server may ask for.
const MAX_COOKIES: u16 = 4;

/// What a state makes of a message.
pub(super) enum Step {
    /// Nothing to do.
    Wait,
    /// Our flight has changed: send it.
    Send,
    /// The server's flight is complete.
    Complete,
    /// The server resumes the session: [`Hello::resume`] goes on.
    Resume,
}

/// The options of a ClientHello that some servers lack. All are always offered, except in tests.
#[derive(Clone, Copy)]
pub(crate) struct Offer {
    /// RFC 7627.
    pub(crate) extended_master_secret: bool,
    /// RFC 7366; only where a suite has a MAC of its own.
    pub(crate) encrypt_then_mac: bool,
    /// RFC 9853; only with a connection id.
    pub(crate) rrc: bool,
    /// RFC 6066 §4, which is offered in tests alone: [`ClientConfig::record_limit`] replaces it.
    pub(crate) max_fragment_length: Option<u8>,
}

impl Offer {
    pub(crate) const ALL: Self = Self {
        extended_master_secret: true,
        encrypt_then_mac: true,
        rrc: true,
        max_fragment_length: None,
    };
}

/// ClientHello sent, perhaps with a cookie; the server's flight is awaited.
pub(super) struct Hello {
    pub(super) config: ClientConfig,
    pub(super) curves: Option<Box<dyn Curves>>,
    pub(super) random: [u8; 32],
    offer: Offer,
    cookie: Vec<u8>,
    /// Number of our ClientHello, and so of the server's first message.
    pub(super) message: u16,
    pub(super) next_record: u64,
    pub(super) reassembly: Reassembly,
    /// Our ClientHello, then what the server has said.
    pub(super) transcript: Vec<u8>,
    hello_length: usize,
    pub(super) server: Option<Chosen>,
}

/// What the server chose, and what else of its flight has come.
pub(super) struct Chosen {
    pub(super) random: [u8; 32],
    pub(super) suite: &'static Suite,
    pub(super) extended_master_secret: bool,
    pub(super) form: Form,
    pub(super) cid: Option<Vec<u8>>,
    /// Most plaintext that the server takes in a record, if it says so.
    pub(super) limit: Option<u16>,
    rrc: bool,
    pub(super) session_id: Vec<u8>,
    /// Whether a NewSessionTicket comes before its Finished.
    pub(super) ticket: bool,
    server_type: CertificateType,
    pub(super) client_type: CertificateType,
    pub(super) presented: Option<Presented>,
    /// Whether a ServerKeyExchange has come.
    exchanged: bool,
    pub(super) share: Option<(Group, Vec<u8>)>,
    /// Whether a CertificateRequest has come, and takes what we sign with.
    pub(super) requested: Option<bool>,
}

impl Chosen {
    /// Whether a message can come next (RFC 5246 §7.3): each has its place and comes once.
    fn expects(&self, kind: u8) -> bool {
        let exchange = self.suite.key_exchange;
        if exchange.is_signed() && self.presented.is_none() {
            return kind == kind::CERTIFICATE;
        }
        if exchange.is_ephemeral() && !self.exchanged {
            return kind == kind::SERVER_KEY_EXCHANGE;
        }
        match kind {
            // Of a pre-shared key alone it is a hint, which may be left out (RFC 4279 §2).
            kind::SERVER_KEY_EXCHANGE => !self.exchanged,
            kind::CERTIFICATE_REQUEST => exchange.is_signed() && self.requested.is_none(),
            kind => kind == kind::SERVER_HELLO_DONE,
        }
    }
}

impl Hello {
    pub(super) fn new(
        config: ClientConfig,
        curves: Option<Box<dyn Curves>>,
        rng: &mut dyn CryptoRng,
        offer: Offer,
    ) -> Result<Self, ClientFailure> {
        let cid_length = config.cid.as_ref().map_or(0, Vec::len);
        let longest = config.identity.len().max(config.psk.len());
        let suites = &config.suites;
        let has_curves = curves.is_some();
        let usable = |suite: &Suite| has_curves || !suite.key_exchange.is_ephemeral();
        let known = suites.iter().all(|id| Suite::by_id(*id).is_some_and(usable));
        let name_length = config.server_name.as_ref().map_or(0, String::len);
        if !known || suites.is_empty() || suites.len() > MAX_SUITES {
            return Err(ClientFailure::Config);
        }
        if config.record_limit.is_some_and(|least| least < limit::LEAST) {
            return Err(ClientFailure::Config);
        }
        if longest > MAX_CREDENTIAL || cid_length.max(name_length) > MAX_CID {
            return Err(ClientFailure::Config);
        }
        let has_mac = |id: &u16| Suite::by_id(*id).is_some_and(|suite| !suite.cipher.is_aead());
        let encrypt_then_mac = offer.encrypt_then_mac && suites.iter().any(has_mac);
        let mut random = [0; 32];
        rng.fill_bytes(&mut random);
        let mut hello = Self {
            curves,
            random,
            offer: Offer { encrypt_then_mac, rrc: offer.rrc && config.cid.is_some(), ..offer },
            config,
            cookie: Vec::new(),
            message: 0,
            next_record: 0,
            reassembly: Reassembly::new(0),
            transcript: Vec::new(),
            hello_length: 0,
            server: None,
        };
        hello.write_hello();
        Ok(hello)
    }

    /// Our ClientHello as a datagram, under a new record number.
    pub(super) fn write_flight(&mut self) -> Vec<u8> {
        let hello = &self.transcript[..self.hello_length];
        let mut datagram = Vec::with_capacity(record::HEADER + hello.len());
        let sequence = self.next_record;
        record::put_plain(&mut datagram, ContentType::Handshake, DTLS_1_2, sequence, hello);
        self.next_record += 1;
        datagram
    }

    /// A handshake fragment of epoch 0.
    pub(super) fn fragment(&mut self, fragment: &Fragment<'_>) -> Result<Step, ClientFailure> {
        if self.server.is_none() && fragment.kind == kind::HELLO_VERIFY_REQUEST {
            return Ok(self.verify_request(fragment));
        }
        let next = fragment.sequence == self.reassembly.next();
        if (next && !self.expects(fragment.kind)) || self.reassembly.accept(fragment).is_err() {
            return Ok(Step::Wait);
        }
        while let Some(message) = self.pop() {
            let kind = message[0];
            self.read(kind, &message[handshake::HEADER..])?;
            self.transcript.extend_from_slice(&message);
            if self.resumed().is_some() {
                return Ok(Step::Resume);
            }
            if kind == kind::SERVER_HELLO_DONE {
                return Ok(Step::Complete);
            }
        }
        Ok(Step::Wait)
    }

    fn expects(&self, kind: u8) -> bool {
        self.server.as_ref().map_or(kind == kind::SERVER_HELLO, |server| server.expects(kind))
    }

    /// The server's next message, once it is whole.
    fn pop(&mut self) -> Option<Vec<u8>> {
        let server = self.server.as_ref();
        self.reassembly
            .pop(|kind| server.map_or(kind == kind::SERVER_HELLO, |server| server.expects(kind)))
    }

    /// A message that was expected.
    fn read(&mut self, kind: u8, body: &[u8]) -> Result<(), ClientFailure> {
        const ILLEGAL: ClientFailure = ClientFailure::IllegalParameter;
        let Some(server) = &mut self.server else {
            self.server = Some(self.choose(body).ok_or(ILLEGAL)?);
            return Ok(());
        };
        let exchange = server.suite.key_exchange;
        match kind {
            kind::CERTIFICATE => {
                let presented = certificate::decode(server.server_type, body).flatten();
                server.presented = Some(presented.ok_or(ILLEGAL)?);
            }
            kind::SERVER_KEY_EXCHANGE => {
                let read = ServerKeyExchange::decode(exchange, body).ok_or(ILLEGAL)?;
                if let Some(presented) = &server.presented {
                    let signed = Signed::decode(read.rest).ok_or(ILLEGAL)?;
                    // RFC 8422 §5.4.
                    let message = [&self.random, &server.random, read.params].concat();
                    let good = self.curves.as_ref().is_some_and(|curves| {
                        curves.verify(presented, signed.scheme, &message, &signed.signature)
                    });
                    if !good {
                        return Err(ClientFailure::BadSignature);
                    }
                }
                server.exchanged = true;
                server.share = read.share.map(|(group, public)| (group, public.to_vec()));
            }
            kind::CERTIFICATE_REQUEST => {
                let ours = self.config.public_identity.as_ref();
                let scheme = ours.map_or(SignatureScheme::EcdsaSha256, |ours| ours.scheme);
                server.requested = Some(certificate::decode_request(body, scheme).ok_or(ILLEGAL)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// A cookie; the ClientHello before it is no part of the transcript (RFC 6347 §4.2.6).
    fn verify_request(&mut self, fragment: &Fragment<'_>) -> Step {
        let cookie = decode_verify_request(fragment.body).filter(|_| fragment.is_whole());
        let (Some(cookie), true) = (cookie, fragment.sequence == self.message) else {
            return Step::Wait;
        };
        if self.message == MAX_COOKIES {
            return Step::Wait;
        }
        self.cookie = cookie.to_vec();
        self.message += 1;
        self.reassembly = Reassembly::new(self.message);
        self.write_hello();
        Step::Send
    }

    fn write_hello(&mut self) {
        let offered = self.config.suites.iter();
        let mut suites: Vec<u8> = offered.flat_map(|id| id.to_be_bytes()).collect();
        suites.extend(EMPTY_RENEGOTIATION_INFO_SCSV.to_be_bytes());
        let lists = Lists::new(&self.config);
        let exchanges = self.config.suites.iter().filter_map(|id| Suite::by_id(*id));
        let (mut ephemeral, mut signed) = (false, false);
        for suite in exchanges {
            ephemeral |= suite.key_exchange.is_ephemeral();
            signed |= suite.key_exchange.is_signed();
        }
        let hello = ClientHello {
            version: DTLS_1_2,
            random: self.random,
            session_id: self.config.resumption.as_ref().map_or(&[], Resumption::session_id),
            cookie: &self.cookie,
            suites: &suites,
            compressions: &[0],
            raw_extensions: &[],
            extensions: Extensions {
                host_name: self.config.server_name.as_deref().map(str::as_bytes),
                groups: ephemeral.then_some(&lists.groups),
                point_formats: ephemeral.then_some(&[UNCOMPRESSED]),
                signature_schemes: signed.then_some(&lists.schemes),
                client_certificate_type: signed.then_some(&lists.client_types),
                server_certificate_type: signed.then_some(&lists.server_types),
                encrypt_then_mac: self.offer.encrypt_then_mac,
                extended_master_secret: self.offer.extended_master_secret,
                session_ticket: self.ticket_offer(),
                cid: self.config.cid.as_deref(),
                record_size_limit: self.config.record_limit,
                max_fragment_length: self.offer.max_fragment_length,
                rrc: self.offer.rrc,
                ..Extensions::default()
            },
        };
        let mut body = Vec::with_capacity(128);
        hello.encode(&mut body).expect("cookie, connection id and suites are short");
        self.transcript.clear();
        handshake::put_message(&mut self.transcript, kind::CLIENT_HELLO, self.message, &body);
        self.hello_length = self.transcript.len();
    }

    fn ticket_offer(&self) -> Option<&[u8]> {
        let ticket = self.config.resumption.as_ref().and_then(Resumption::ticket);
        ticket.or(self.config.tickets.then_some(&[]))
    }

    /// The session that we wanted to resume, if the server does.
    fn resumed(&self) -> Option<(&Resumption, &Chosen)> {
        let (wanted, server) = (self.config.resumption.as_ref()?, self.server.as_ref()?);
        (wanted.session_id() == server.session_id).then_some((wanted, server))
    }

    /// Once the server has said that it resumes the session.
    pub(super) fn resume(self: Box<Self>) -> Option<Resuming> {
        let (resumption, server) = self.resumed()?;
        let connection = self.connection(server, &resumption.master);
        let (transcript, next) = (self.transcript.clone(), self.reassembly.next());
        let master = resumption.master.clone();
        Some(Resuming {
            connection,
            expected: Expected::new(master, transcript, next, server.ticket),
            resumption: resumption.clone(),
            hello: self,
        })
    }

    /// The record layer under this master secret.
    pub(super) fn connection(&self, server: &Chosen, master: &[u8; 48]) -> Connection {
        let keys = prf::key_block(master, &server.random, &self.random, server.form);
        // Without the server's consent nobody puts ids into records.
        let cid = server.cid.as_ref().and(self.config.cid.clone()).unwrap_or_default();
        let rrc = server.rrc && server.cid.is_some();
        let limits = Limits { theirs: server.limit, ours: self.config.record_limit };
        Connection::new(
            server.suite,
            keys,
            Ids { ours: cid, theirs: server.cid.clone() },
            limits,
            rrc,
        )
    }

    /// Whether what the server says of records is an answer to what we said (RFC 8449 §4, §5; RFC
    /// 6066 §4).
    fn accepts_limits(&self, theirs: &Extensions<'_>) -> bool {
        let (size, length) = (theirs.record_size_limit, theirs.max_fragment_length);
        !(size.is_some() && length.is_some())
            && (size.is_none() || self.config.record_limit.is_some())
            && (length.is_none() || length == self.offer.max_fragment_length)
    }

    fn choose(&self, body: &[u8]) -> Option<Chosen> {
        let hello = ServerHello::decode(body)?;
        let extensions = hello.extensions;
        let offered = self.config.suites.contains(&hello.suite);
        let suite = Suite::by_id(hello.suite).filter(|_| offered)?;
        let (server_type, client_type) = (
            chosen_type(extensions.server_certificate_type)?,
            chosen_type(extensions.client_certificate_type)?,
        );
        let limit = limit::of(&extensions).ok()?;
        let named = extensions.server_certificate_type.is_some();
        let acceptable = hello.version == DTLS_1_2
            && hello.compression == 0
            && extensions.renegotiation.is_none_or(<[u8]>::is_empty)
            && (self.offer.extended_master_secret || !extensions.extended_master_secret)
            // RFC 7366 §3: never with an AEAD.
            && !(extensions.encrypt_then_mac
                && (suite.cipher.is_aead() || !self.offer.encrypt_then_mac))
            && (self.config.cid.is_some() || extensions.cid.is_none())
            && (self.offer.rrc || !extensions.rrc)
            && self.accepts_limits(&extensions)
            // RFC 7250 §4.2; a server that does not know the extension has X.509.
            && (!named || self.config.accepts.contains(&server_type))
            && extensions.point_formats.is_none_or(|formats| formats.contains(&UNCOMPRESSED))
            && (extensions.session_ticket.is_none() || self.ticket_offer().is_some());
        // A session is resumed as it was: with its suite, and with extended master secret, which
        // all that we resume have (RFC 5246 §7.4.1.3, RFC 7627 §5.3).
        let wanted = self.config.resumption.as_ref();
        let resumed = wanted.filter(|wanted| wanted.session_id() == hello.session_id);
        let acceptable = acceptable
            && resumed.is_none_or(|resumed| {
                hello.suite == resumed.suite && extensions.extended_master_secret
            });
        acceptable.then(|| Chosen {
            random: hello.random,
            suite,
            extended_master_secret: extensions.extended_master_secret,
            form: Form::of(suite.cipher, extensions.encrypt_then_mac),
            cid: extensions.cid.map(<[u8]>::to_vec),
            limit,
            rrc: extensions.rrc,
            session_id: hello.session_id.to_vec(),
            ticket: extensions.session_ticket.is_some(),
            server_type,
            client_type,
            presented: None,
            exchanged: false,
            share: None,
            requested: None,
        })
    }
}

/// What a ClientHello says about curves and keys, in the form of its extensions.
struct Lists {
    groups: Vec<u8>,
    schemes: Vec<u8>,
    client_types: Vec<u8>,
    server_types: Vec<u8>,
}

impl Lists {
    fn new(config: &ClientConfig) -> Self {
        let mut schemes = Vec::new();
        put_schemes(&mut schemes);
        let ours = config.public_identity.as_ref();
        let kinds = [CertificateType::RawPublicKey, CertificateType::X509];
        let mut presentable: Vec<_> =
            kinds.into_iter().filter(|kind| ours.is_some_and(|ours| ours.has(*kind))).collect();
        if presentable.is_empty() {
            presentable.push(CertificateType::X509);
        }
        let list = |types: &[CertificateType]| {
            let mut list = vec![types.len() as u8];
            list.extend(types.iter().map(|kind| *kind as u8));
            list
        };
        Self {
            groups: Group::ALL.iter().flat_map(|group| (*group as u16).to_be_bytes()).collect(),
            schemes,
            client_types: list(&presentable),
            server_types: list(&config.accepts),
        }
    }
}
