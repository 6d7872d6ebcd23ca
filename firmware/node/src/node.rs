//! The node: it owns the broker, the console and what is stored, and introduces them to each other.

use alloc::collections::VecDeque;
use core::net::SocketAddr;

use obkmq_broker::{Anonymous, Broker, Full, Instant, LinkId, Peer, Policy, Want};
use obkmq_config::password::{HASH_BYTES, PasswordHash, SALT_BYTES};
use obkmq_config::settings::{self, LogLevel, SettingError, Settings};

use crate::access_point::OwnNetwork;
use crate::attached::Attached;
use crate::board::{Action, Board, Identity, Regions};
use crate::console::Console;
use crate::journal::{Journal, NotStored, Step};
use crate::report::{self, Refused};
use crate::rights::rights_of;
use crate::storage::{Files, Loaded, SettingsStore, StorageError};
use crate::trial::Trial;
use crate::verifier::Accounts;
use crate::wifi::Wifi;

/// Why settings could not be taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptError {
    /// They do not fit together.
    #[error(transparent)]
    Settings(#[from] SettingError),
    /// They could not be stored and are not in use; a restart may find the old or the new ones.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The firmware without its chip: see the [crate's documentation](crate).
pub struct Node<B: Board> {
    pub(crate) board: B,
    pub(crate) identity: Identity,
    pub(crate) broker: Broker<Accounts>,
    pub(crate) settings: Settings,
    pub(crate) settings_store: SettingsStore,
    /// Settings in use that are not stored.
    pub(crate) trial: Option<Trial>,
    pub(crate) files: Files,
    pub(crate) refused: Refused,
    pub(crate) log_level: LogLevel,
    /// The newest settings are lost; the network is closed until the owner has looked.
    pub(crate) locked: bool,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) now: Instant,
    /// The console whose turn it is; between turns that of the board's own wire.
    pub(crate) console: Console,
    /// The consoles of programs that came in another way.
    pub(crate) attached: Attached,
    pub(crate) wifi: Wifi,
    pub(crate) own_network: OwnNetwork,
    #[cfg(feature = "scripts")]
    pub(crate) scripts: crate::scripts::Scripts,
    #[cfg(feature = "discovery")]
    pub(crate) discovery: crate::discovery::Discovery,
    #[cfg(feature = "automation")]
    pub(crate) automation: crate::automation::Automation,
    journal: Journal,
    /// Nothing has happened since [`Node::poll`] has looked at everything but the broker, so that none of it has anything
    /// to do before this.
    rests: bool,
    parts_due: Option<Instant>,
}

impl<B: Board> Node<B> {
    /// Reads what is stored and starts. Flash that cannot be read does not keep the console from answering: the node is
    /// then closed to the network and says so.
    pub fn boot(mut board: B, identity: Identity, regions: Regions, now: Instant) -> Self {
        let mut seed = [0; 8];
        let mut key = [0; 32];
        let mut decoy_salt = [0; SALT_BYTES];
        let mut decoy_hash = [0; HASH_BYTES];
        board.fill_random(&mut seed);
        board.fill_random(&mut key);
        board.fill_random(&mut decoy_salt);
        board.fill_random(&mut decoy_hash);
        let accounts = Accounts::new(key, PasswordHash::decoy(decoy_salt, decoy_hash));
        let settings_store = SettingsStore::new(regions.settings);
        let loaded = settings_store.load(board.flash());
        let policy = Policy { anonymous: Anonymous::Never, limits: identity.limits, ..Policy::default() };
        let mut node = Self {
            board,
            identity,
            broker: Broker::new(policy, u64::from_le_bytes(seed), accounts),
            settings: Settings::default(),
            settings_store,
            trial: None,
            files: Files::new(regions.files),
            refused: Refused::default(),
            log_level: LogLevel::Info,
            locked: false,
            actions: VecDeque::new(),
            now,
            journal: Journal::new(regions.retained),
            rests: false,
            parts_due: None,
            console: Console::default(),
            attached: Attached::default(),
            wifi: Wifi::default(),
            own_network: OwnNetwork::default(),
            #[cfg(feature = "scripts")]
            scripts: crate::scripts::Scripts::default(),
            #[cfg(feature = "discovery")]
            discovery: crate::discovery::Discovery::default(),
            #[cfg(feature = "automation")]
            automation: crate::automation::Automation::default(),
        };
        let identity = node.identity;
        node.log(LogLevel::Info, format_args!("obkmq {} on {}", identity.firmware, identity.board));
        node.tell_start();
        node.start(loaded);
        node
    }

    fn start(&mut self, loaded: Result<Loaded, StorageError>) {
        let settings = match loaded {
            Ok(Loaded::Blank) => {
                self.log(LogLevel::Info, format_args!("no settings are stored yet: first boot"));
                Settings::default()
            }
            Ok(Loaded::Current(settings)) => settings,
            Ok(Loaded::Damaged { mut rest, generation }) => {
                self.locked = true;
                self.log(
                    LogLevel::Error,
                    format_args!(
                        "the newest settings (generation {generation}) are damaged; closed to the network"
                    ),
                );
                rest.raise_generation(generation);
                rest
            }
            Err(error) => {
                self.locked = true;
                self.log(
                    LogLevel::Error,
                    format_args!("settings cannot be read: {error}; closed to the network"),
                );
                Settings::default()
            }
        };
        let mut restored = self.journal.restore(&mut self.broker, self.board.flash(), &settings, self.now);
        self.settings = settings.clone();
        self.apply(settings);
        if let Ok(report) = &mut restored
            && let Err(error) = self.journal.restore_sessions(&mut self.broker, self.board.flash(), report)
        {
            self.log(LogLevel::Error, format_args!("stored sessions cannot be read: {error}"));
        }
        match restored {
            Ok(report) if report.erased => self.log(
                LogLevel::Error,
                format_args!(
                    "the stored retained messages are damaged; those that can be read are stored anew"
                ),
            ),
            Ok(report) if report.mended => self.log(
                LogLevel::Error,
                format_args!(
                    "the flash of retained messages was damaged; some may be missing or not be the newest"
                ),
            ),
            Ok(report) if report.unreadable > 0 => self.log(
                LogLevel::Error,
                format_args!("{} stored retained messages or sessions cannot be read", report.unreadable),
            ),
            Ok(report) if report.not_kept > 0 => {
                self.log(
                    LogLevel::Warn,
                    format_args!("{} retained messages or sessions found no memory", report.not_kept),
                );
            }
            Ok(_) => {}
            Err(error) => {
                self.log(LogLevel::Error, format_args!("retained messages cannot be read: {error}"))
            }
        }
        self.load_files();
        #[cfg(feature = "automation")]
        self.start_autoexec();
        if self.locked {
            self.actions.clear();
            self.actions.push_back(Action::StopListening);
        }
    }

    /// Puts settings to use, at once and whole.
    pub(crate) fn apply(&mut self, settings: Settings) {
        self.log_level = settings.log_level();
        let revoked = self.broker.verifier_mut().update(&settings);
        // Before anything else happens: what a number stands for may have changed.
        self.broker.set_rights(rights_of(&settings, self.broker.verifier()));
        for &user in &revoked {
            self.broker.revoke(self.now, user);
        }
        if !revoked.is_empty() {
            // Their sessions must not be somebody else's after a restart.
            self.journal.forget_users();
        }
        self.broker.set_policy(self.policy(&settings));
        if !self.settings.retain_persist().eq(settings.retain_persist())
            && let Err(error) = self.journal.sweep(&mut self.broker, self.board.flash(), &settings)
        {
            self.log(LogLevel::Error, format_args!("retained messages cannot be read: {error}"));
        }
        self.apply_wifi(&settings);
        #[cfg(feature = "scripts")]
        self.apply_to_scripts(&settings);
        self.settings = settings;
        self.actions.push_back(Action::Listen { port: self.settings.mqtt_port() });
    }

    /// What the broker may do: what the board can spare, where the settings do not say less.
    fn policy(&self, settings: &Settings) -> Policy {
        let mut limits = self.identity.limits;
        limits.max_links = limits.max_links.min(settings.max_clients().into());
        limits.max_packet_bytes = limits.max_packet_bytes.min(settings.max_packet_bytes());
        limits.max_queued_bytes = limits.max_queued_bytes.min(settings.max_queued_bytes());
        limits.max_queued_messages = limits.max_queued_messages.min(settings.max_queued_messages());
        limits.inflight_window = limits.inflight_window.min(settings.max_inflight());
        limits.max_retained = limits.max_retained.min(settings.max_retained());
        limits.max_stored_sessions = limits.max_stored_sessions.min(settings.max_stored_sessions());
        if let Some(bytes) = settings.memory_bytes() {
            limits.memory_bytes = limits.memory_bytes.min(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        limits.connect_timeout_ms = settings.connect_timeout_s().saturating_mul(1000);
        let anonymous = match settings.anonymous() {
            settings::Anonymous::Auto if settings.users().is_empty() => self.identity.anonymous_without_users,
            settings::Anonymous::Auto | settings::Anonymous::Never => Anonymous::Never,
            settings::Anonymous::Loopback => Anonymous::Loopback,
            settings::Anonymous::Always => Anonymous::Always,
        };
        Policy {
            anonymous,
            max_keep_alive_seconds: settings.max_keep_alive_s(),
            max_session_expiry_seconds: settings.max_session_expiry_s(),
            sys_interval_seconds: settings.sys_interval_s(),
            log_details: settings.log_level() == LogLevel::Debug,
            limits,
        }
    }

    /// Whether settings fit together, and fit this board.
    pub(crate) fn check(&self, settings: &Settings) -> Result<(), SettingError> {
        settings.check()?;
        settings.check_board(self.identity.limits.memory_bytes)
    }

    /// The board.
    pub fn board(&self) -> &B {
        &self.board
    }

    /// The settings in use.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Puts other settings in the place of all that is set, as one commit; nothing is written if they are the same.
    pub fn adopt(&mut self, mut settings: Settings) -> Result<(), AdoptError> {
        self.stir();
        self.check(&settings)?;
        settings.raise_generation(self.settings.generation());
        // What is on trial is in use and not stored.
        if settings == self.settings && !self.locked && self.trial.is_none() {
            return Ok(());
        }
        settings.raise_generation(self.settings.generation().saturating_add(1));
        self.settings_store.save(self.board.flash(), &settings)?;
        self.locked = false;
        self.trial = None;
        self.apply(settings);
        Ok(())
    }

    /// A transport connection was opened.
    pub fn opened(&mut self, now: Instant, peer: SocketAddr) -> Result<LinkId, Full> {
        self.now = now;
        self.broker.opened(now, Peer(peer))
    }

    /// Bytes of a link; how many were taken. Fewer than given pauses the link: keep the rest until [`Want::Read`].
    pub fn receive(&mut self, now: Instant, link: LinkId, bytes: &[u8]) -> usize {
        self.now = now;
        self.broker.receive(now, link, bytes)
    }

    /// Encodes what the link is to be sent into `buffer`; how many bytes. The same bytes again until [`Node::sent`].
    pub fn fill(&mut self, link: LinkId, buffer: &mut [u8]) -> usize {
        self.broker.fill(link, buffer)
    }

    /// How many of the bytes from [`Node::fill`] the transport really took.
    pub fn sent(&mut self, now: Instant, link: LinkId, bytes: usize) {
        self.now = now;
        self.broker.sent(now, link, bytes);
    }

    /// The transport connection is gone.
    pub fn closed(&mut self, now: Instant, link: LinkId) {
        self.now = now;
        self.broker.closed(now, link);
    }

    /// The next link that wants something of its transport. To be asked until there is none, after every other call.
    pub fn next_want(&mut self) -> Option<(LinkId, Want)> {
        self.broker.next_want()
    }

    /// Whether [`Node::next_action`] has anything.
    #[inline]
    pub fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// What the board is to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Takes what came in on the console; it is worked on in [`Node::poll`].
    pub fn console_input(&mut self, bytes: &[u8]) {
        self.stir();
        self.console.receive(bytes);
    }

    /// What the console has to say. [`Node::console_written`] takes it off.
    pub fn console_output(&self) -> &[u8] {
        self.console.output.pending()
    }

    /// The first `bytes` of [`Node::console_output`] are written.
    pub fn console_written(&mut self, bytes: usize) {
        self.stir();
        self.console.output.written(bytes);
    }

    /// Says on the log what the board could not do.
    pub fn log_error(&mut self, text: core::fmt::Arguments<'_>) {
        self.log(LogLevel::Error, text);
    }

    /// Says on the console what the board did because the settings say so.
    pub fn log_info(&mut self, text: core::fmt::Arguments<'_>) {
        self.log(LogLevel::Info, text);
    }

    /// Does what is due, in a bounded turn, and says when it wants to be called again at the latest.
    pub fn poll(&mut self, now: Instant) -> Option<Instant> {
        self.now = now;
        let broker = self.broker.poll(now);
        if self.rests
            && self.parts_due.is_none_or(|due| now < due)
            && !self.broker.has_news()
            && !self.has_messages()
        {
            return earlier(broker, self.parts_due);
        }
        let parts = self.poll_parts();
        earlier(broker, parts)
    }

    /// Whatever is not the broker.
    fn poll_parts(&mut self) -> Option<Instant> {
        let now = self.now;
        if self.broker.has_changes() {
            self.journal.note_changes();
        }
        let console = self.poll_consoles();
        let trial = self.poll_trial();
        let files = self.poll_files().then_some(now);
        let wifi = self.poll_wifi();
        let journal = self.poll_journal();
        #[cfg(feature = "scripts")]
        let scripts = self.poll_scripts();
        #[cfg(not(feature = "scripts"))]
        let scripts = None;
        #[cfg(feature = "automation")]
        let automation = self.poll_automation();
        #[cfg(not(feature = "automation"))]
        let automation = None;
        #[cfg(feature = "discovery")]
        let discovery = self.poll_discovery();
        #[cfg(not(feature = "discovery"))]
        let discovery = None;
        self.report_events();
        let messages = self.has_messages().then_some(now);
        let parts = [console, trial, files, wifi, journal, scripts, automation, discovery, messages];
        self.parts_due = parts.into_iter().flatten().min();
        // A radio changes by itself.
        self.rests = self.board.radio().is_none();
        self.parts_due
    }

    /// Something came that may make the parts' deadlines earlier.
    pub(crate) fn stir(&mut self) {
        self.rests = false;
    }

    /// Whether the firmware itself has messages to read: also of this turn, in which its parts may have published.
    fn has_messages(&self) -> bool {
        #[cfg(feature = "automation")]
        if self.has_mqtt_commands() {
            return true;
        }
        #[cfg(feature = "discovery")]
        if self.has_device_messages() {
            return true;
        }
        #[cfg(feature = "scripts")]
        if self.has_script_messages() {
            return true;
        }
        false
    }

    /// Takes note of how long the board's last turn took, in microseconds; its owner sees the longest.
    pub fn note_turn(&mut self, micros: u32) {
        self.broker.note_turn(micros);
    }

    /// The longest turn that was noted lately.
    pub fn turn_maximum_micros(&self) -> u32 {
        self.broker.turn_maximum_micros()
    }

    /// Stores at once what waits to be stored: before a reset or the end of the process. It gives up where the next
    /// message would fare no better.
    pub fn flush(&mut self) {
        self.stir();
        loop {
            match self.store_next() {
                Step::Idle => return,
                Step::Skipped | Step::Attempted(Ok(())) => {}
                Step::Attempted(Err(failure)) => {
                    self.log_not_stored(failure);
                    if failure.error != StorageError::TooBig {
                        return;
                    }
                }
            }
        }
    }

    /// Stores the next change that is to be kept.
    pub(crate) fn store_next(&mut self) -> Step {
        let step = self.journal.store_next(&mut self.broker, self.board.flash(), &self.settings);
        if let Step::Attempted(result) = step {
            self.journal.attempted(self.now, result);
        }
        step
    }

    fn log_not_stored(&mut self, failure: NotStored) {
        let next = match failure.error {
            StorageError::Full => "; next: let retain.persist name fewer topics, or delete retained messages",
            StorageError::TooBig => "; next: only what stays below about 4,000 bytes survives a restart",
            _ => "",
        };
        self.log(LogLevel::Error, format_args!("{failure}{next}"));
    }

    fn poll_journal(&mut self) -> Option<Instant> {
        let due = self.journal.due()?;
        if self.now < due {
            return Some(due);
        }
        match self.store_next() {
            Step::Attempted(result) => {
                if let Err(failure) = result {
                    self.log_not_stored(failure);
                }
                self.journal.due()
            }
            Step::Skipped => Some(self.now),
            Step::Idle => None,
        }
    }

    fn report_events(&mut self) {
        while let Some(event) = self.broker.next_event() {
            report::keep_refusal(&mut self.refused, &event, self.now);
            let user = match event {
                obkmq_broker::Event::Connected { user: Some(user), .. } => self.broker.verifier().name(user),
                _ => None,
            };
            let line = report::Line::new(&event, user, self.log_level == LogLevel::Debug);
            if line.level() <= self.log_level {
                let Self { console, attached, settings, now, .. } = self;
                write_log(console, attached, settings, *now, format_args!("{line}"));
            }
        }
    }

    /// Says on the board's own wire only, whatever the log level, what is for whoever holds the board.
    pub(crate) fn tell_wire(&mut self, text: &str) {
        self.console.output.log(format_args!("info: {text}"));
    }

    pub(crate) fn log(&mut self, level: LogLevel, text: core::fmt::Arguments<'_>) {
        if level <= self.log_level {
            let name = level.name();
            let Self { console, attached, settings, now, .. } = self;
            write_log(console, attached, settings, *now, format_args!("{name}: {text}"));
        }
    }
}

/// The earlier of two deadlines, either of which there may not be.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Writes a log line to every console, with the time since the start where the owner wants it.
pub(crate) fn write_log(
    console: &mut Console,
    attached: &mut Attached,
    settings: &Settings,
    now: Instant,
    line: core::fmt::Arguments<'_>,
) {
    let millis = now.as_micros() / 1000;
    let mut write = |line: core::fmt::Arguments<'_>| {
        console.output.log(line);
        attached.log(line);
    };
    if settings.console_timestamps() {
        write(format_args!("{}.{:03} {line}", millis / 1000, millis % 1000));
    } else {
        write(line);
    }
}
