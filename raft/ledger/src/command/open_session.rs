//! An established DTLS session.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::{
    Credential, CredentialKind, Device, Recent, Resumable, Resumption, Session, Transition,
    TrustAnchor, is_false, transition,
};
use crate::staging::{Fresh, Prepared};
use crate::state::{Book, Stop};
use crate::{CredentialId, DeviceRef, EnrolDevice, Outcome, Refusal, RequestId, SessionId, frame};
use minicbor::{Decode, Encode};

/// Opens the session of a handshake whose Finished was checked, and stages what it is most likely
/// opened for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OpenSession {
    /// Whose session it is.
    #[n(0)]
    pub device: DeviceRef,
    /// The first half of the handshake's SHA-256; the same handshake opens one session.
    #[n(1)]
    pub session: SessionId,
    /// The credential that was proven, and everything that a node needs to go on with it.
    /// `generation` and `opened_at` are the ledger's to set.
    #[n(2)]
    pub opened: Session,
    /// What to stage for the device with it, if its profile gives it something and nothing waits
    /// for it already. That it cannot be staged refuses no session: whoever asks for it is told.
    /// Boxed: all commands have room for the largest.
    #[n(3)]
    pub fresh: Option<Box<Fresh>>,
    /// What is to be kept of it so that the device can resume it.
    #[n(4)]
    pub resumable: Option<Box<Resumable>>,
    /// True if it resumes an earlier session: then the credential was proven there.
    #[cbor(n(5), skip_if = "is_false")]
    pub resumed: bool,
    /// The version of the trust anchor that a chain was validated by; it must be that still.
    #[n(6)]
    pub anchor: Option<u64>,
    /// The device, if it is not there yet: its trust anchor enrols who comes with a good chain.
    #[n(7)]
    pub enrol: Option<Box<EnrolDevice>>,
}

impl OpenSession {
    /// The session of a full handshake, and nothing beside it.
    pub const fn new(device: DeviceRef, session: SessionId, opened: Session) -> Self {
        Self {
            device,
            session,
            opened,
            fresh: None,
            resumable: None,
            resumed: false,
            anchor: None,
            enrol: None,
        }
    }

    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        self.check_lengths()?;
        book.sealing_tenant(&self.device.tenant, &self.sealed())?;
        self.enrol(book)?;
        let mut device = book.device(&self.device)?;
        let id = self.opened.credential;
        let mut credential = book.credential(&self.device, id)?;
        let anchor = book.anchor_of(&self.device, &credential)?;
        if let Some(state) = credential.bar(anchor.as_ref(), None, book.at) {
            return self.refuse(book, device, state);
        }
        if let Some(anchor) = &anchor {
            // A chain that was validated by what its anchor was before proves nothing now.
            Refusal::unless_version(Some(self.anchor.unwrap_or(0)), anchor.version)?;
        }
        let row = key::session(&self.device, self.session);
        if let Some(mut known) = book.load::<Session>("a session", &row)? {
            if known.edge != self.opened.edge {
                return Err(Refusal::taken("session", self.session).into());
            }
            // Whoever asks may not know what was numbered since: it begins a generation of its own.
            known.generation = known.next_generation()?;
            book.store(row, &known);
            return Ok(self.outcome(device.endpoint, known.generation, Vec::new(), None));
        }
        if book.has_ended(&self.device, self.session)? {
            // Its keys were used from generation 1 on; a repetition must not begin there again.
            return Err(Refusal::taken("session", self.session).into());
        }
        let anchor = anchor.map(|anchor| anchor.fingerprint().into());
        let session = Session { generation: 1, opened_at: book.at, anchor, ..self.opened.clone() };
        self.store_lookup(book, &session)?;
        let closed = self.make_room(book, &mut credential)?;
        book.store(row, &session);
        self.note_use(book, &mut device, id, &mut credential)?;
        self.keep_resumable(book, &device, &mut credential);
        book.store_credential(&self.device, id, credential);
        let staged = self.stage(book, &mut device)?;
        let endpoint = device.endpoint.clone();
        book.store_device(&self.device, device);
        Ok(self.outcome(endpoint, 1, closed, staged))
    }

    /// All that it brings sealed.
    fn sealed(&self) -> Vec<&[u8]> {
        let resumable = self.resumable.iter().map(|it| it.sealed.as_slice());
        let fresh = self.fresh.iter().map(|it| it.sealed_key.as_slice());
        core::iter::once(self.opened.sealed.as_slice()).chain(resumable).chain(fresh).collect()
    }

    /// Stages the fresh credential, unless something waits for the device already, or its LwM2M
    /// server would lose the older one before the device asks. What must be refused is refused by
    /// the command that the device asks by.
    fn stage(&self, book: &mut Book<'_>, device: &mut Device) -> Result<Option<Prepared>, Stop> {
        let Some(fresh) = &self.fresh else { return Ok(None) };
        let is_due = |book: &Book<'_>, device: &Device| {
            let profile = book.profile_of(&self.device, device)?;
            if book.waiting(&self.device, device, &profile)?.is_some()
                || book.holds_one(&self.device, &profile.connector)?
            {
                return Ok(None);
            }
            book.unless_used(&self.device, fresh.credential)?;
            Ok(Some(profile))
        };
        match is_due(book, device) {
            Ok(Some(profile)) => book.stage(&self.device, device, &profile, fresh).map(Some),
            Ok(None) | Err(Stop::Refused(_)) => Ok(None),
            Err(damaged) => Err(damaged),
        }
    }

    /// Enrols the device, if it is not there yet and its trust anchor wants that.
    fn enrol(&self, book: &mut Book<'_>) -> Result<(), Stop> {
        let Some(enrol) = &self.enrol else { return Ok(()) };
        let row = key::of_device(Kind::Device, &self.device);
        if let Some(there) = book.load::<Device>("a device", &row)? {
            // Perhaps it is the same, enrolled by another handshake meanwhile.
            return match there.endpoint == enrol.endpoint {
                true => Ok(()),
                false => Err(Refusal::taken("device", &self.device.device).into()),
            };
        }
        let tenant = book.require_tenant(&self.device.tenant)?;
        let deleted = key::in_realm(Kind::Deleted, &tenant.realm, enrol.endpoint.as_bytes());
        if book.holds(&deleted) {
            return Err(Refusal::not_found("device", &enrol.endpoint).into());
        }
        let name = String::from_utf8_lossy(&enrol.identity);
        let wanted = |anchor: &TrustAnchor| {
            enrol.device == self.device
                && enrol.credential == self.opened.credential
                && enrol.kind == CredentialKind::Certificate
                && Some(anchor.version) == self.anchor
                && anchor.enrol_with.as_ref() == Some(&enrol.profile)
        };
        if !book.trust_anchor(&self.device.tenant, &name)?.is_some_and(|it| wanted(&it)) {
            return Err(Refusal::not_found("trust anchor for enrolment", name).into());
        }
        // Where no session opens, nothing is enrolled either.
        if book.has_ended(&self.device, self.session)? || self.is_cid_taken(book) {
            return Err(Refusal::not_found("device", &self.device.device).into());
        }
        enrol.apply(book).map(drop)
    }

    /// Keeps what it takes to resume the session, and drops what is too old for that.
    fn keep_resumable(&self, book: &mut Book<'_>, device: &Device, credential: &mut Credential) {
        let Some(resumable) = &self.resumable else { return };
        let row = key::resumption(&resumable.handle);
        // A handle that is taken was not drawn at random: what it stands for stays.
        if book.holds(&row) {
            return;
        }
        let kept = &mut credential.resumptions;
        let over = (kept.len() + 1).saturating_sub(Credential::SESSIONS);
        for old in kept.drain(..over) {
            book.drop_row(&key::resumption(&old));
        }
        kept.push(resumable.handle.into());
        let resumption = Resumption {
            device: self.device.clone(),
            credential: self.opened.credential,
            realm: device.realm.clone(),
            sealed: resumable.sealed.clone(),
        };
        book.store(row, &resumption);
    }

    fn check_lengths(&self) -> Result<(), Refusal> {
        let Session { cid, listener, peer, .. } = &self.opened;
        Refusal::unless_within(key::NAME, "connection id", cid)?;
        Refusal::unless_within(key::NAME, "listener's name", listener.as_bytes())?;
        Refusal::unless_within(key::NAME, "peer's address", peer.as_bytes())
    }

    fn outcome(
        &self,
        endpoint: String,
        generation: u32,
        closed: Vec<SessionId>,
        staged: Option<Prepared>,
    ) -> Outcome {
        Outcome::Opened {
            session: self.session,
            device: self.device.clone(),
            credential: self.opened.credential,
            endpoint,
            generation,
            closed,
            staged,
        }
    }

    fn refuse(
        &self,
        book: &mut Book<'_>,
        mut device: Device,
        state: String,
    ) -> Result<Outcome, Stop> {
        let refused = Outcome::Refused(Refusal::State { state: state.clone() });
        // The same handshake asks once, however often the edge or the proposer repeats it.
        let asked = RequestId(self.session.0);
        let row = key::of_device(Kind::Recent, &self.device);
        let mut recent: Recent = book.load("recent requests", &row)?.unwrap_or_default();
        if recent.outcome(asked).is_some() {
            return Ok(refused);
        }
        recent.remember(asked, &frame::encode(&refused), Recent::OF_DEVICE);
        book.store(row, &recent);
        let words = format!(
            "Proved a credential that is {state}. To let the device in, delete it and enrol it \
             anew."
        );
        let event =
            Event { code: EventCode::Refused, credential: Some(self.opened.credential), words };
        book.record(&self.device, &mut device, event)?;
        book.store_device(&self.device, device);
        Ok(refused)
    }

    /// Closes the oldest sessions until the new one fits.
    fn make_room(
        &self,
        book: &mut Book<'_>,
        credential: &mut Credential,
    ) -> Result<Vec<SessionId>, Stop> {
        let over = (credential.sessions.len() + 1).saturating_sub(Credential::SESSIONS);
        let closed: Vec<SessionId> = credential.sessions.drain(..over).collect();
        for id in &closed {
            book.drop_session(&self.device, *id)?;
        }
        credential.sessions.push(self.session);
        Ok(closed)
    }

    fn store_lookup(&self, book: &mut Book<'_>, session: &Session) -> Result<(), Stop> {
        let holder = (self.device.clone(), self.session);
        if session.cid.is_empty() {
            book.store(key::of_cluster(Kind::Address, &session.place()), &holder);
            return Ok(());
        }
        let row = key::of_cluster(Kind::ConnectionId, &[&session.cid]);
        if self.is_cid_taken(book) {
            // 40 random bits met by chance: the device's next handshake draws another.
            return Err(Refusal::taken("connection id", "of this session").into());
        }
        book.store(row, &holder);
        Ok(())
    }

    fn is_cid_taken(&self, book: &Book<'_>) -> bool {
        let cid = &self.opened.cid;
        !cid.is_empty() && book.holds(&key::of_cluster(Kind::ConnectionId, &[cid]))
    }

    fn note_use(
        &self,
        book: &mut Book<'_>,
        device: &mut Device,
        id: CredentialId,
        credential: &mut Credential,
    ) -> Result<(), Stop> {
        let cid = if self.opened.cid.is_empty() { "without" } else { "with" };
        let proven = credential.kind.words(&credential.identity);
        let how = match self.resumed {
            true => format!("Resumed a session that was opened by {proven},"),
            false => format!("Proved {proven}"),
        };
        let words = format!("{how} from {}; DTLS session {cid} a connection id.", self.opened.peer);
        let code = EventCode::SessionOpened;
        book.record(&self.device, device, Event { code, credential: Some(id), words })?;
        if device.staged == Some(id) {
            device.staged = None;
        }
        let before = credential.state;
        if let Some(state) = transition(before, Transition::Use) {
            credential.state = state;
            if state != before {
                let words = "The credential was used for the first time.".to_owned();
                let code = EventCode::CredentialActivated;
                book.record(&self.device, device, Event { code, credential: Some(id), words })?;
            }
        }
        Ok(())
    }
}
