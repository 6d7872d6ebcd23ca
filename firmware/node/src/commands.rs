//! What the console's commands do to the node.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use obkmq_config::line::{COMMANDS, Command, ErrorCode, Fields, Hello};
use obkmq_config::password::{PasswordHash, SALT_BYTES};
use obkmq_config::settings::{Draft, Entry, Key, SettingError, Settings, Stale, check_name};

use crate::board::{Action, Board};
use crate::console::{Answer, Asker};
use crate::journal::Step;
use crate::limits::FLUSHED_AT_A_TIME;
use crate::node::Node;

const LOCKED: &str = "the stored settings are damaged and these are older ones: look at `list` and `user list`, then \
    `begin` with the generation that `hello` shows, correct what is wrong, and `commit`";

fn flushed(stored: u32, waiting: &str) -> Answer {
    Answer::fields(Fields::new().with("stored", stored).with("waiting", waiting))
}

impl<B: Board> Node<B> {
    /// Executes one command; `None` if its answer comes later.
    pub(crate) fn execute(&mut self, asker: Asker, command: &Command<'_>) -> Option<Answer> {
        Some(match command {
            Command::Hello { .. } => Answer::fields(self.hello().to_fields()),
            Command::Get { key } => match self.view().get(key) {
                Ok(entry) => Answer::fields(self.entry_fields(&entry)),
                Err(error) => refuse(&error),
            },
            Command::List => {
                Answer::rows(self.view().entries().map(|entry| self.entry_fields(&entry)).collect())
            }
            Command::Begin { generation } => self.begin(*generation),
            Command::Set { key, value } => {
                let answer = self.change(|draft| draft.set(key, value));
                self.note_effect(key, answer)
            }
            Command::Unset { key } => self.change(|draft| draft.unset(key)),
            Command::UserDel { name } => self.change(|draft| draft.remove_user(name)),
            Command::UserRights { name, rights } => self.change(|draft| draft.set_user_rights(name, rights)),
            Command::UserSet { name, password } => {
                if let Err(error) = check_name(name) {
                    return Some(refuse(&error));
                }
                if self.locked && self.console.draft.is_none() {
                    return Some(Answer::refuse(ErrorCode::Locked, LOCKED));
                }
                let mut salt = [0; SALT_BYTES];
                self.board.fill_random(&mut salt);
                let known = self.view().user(name).map(|user| user.password().clone());
                self.console.begin_hashing(asker, name, password, salt, known.as_ref());
                return None;
            }
            Command::UserHash { name, hash } => match PasswordHash::parse(hash) {
                Ok(hash) => self.change(|draft| draft.set_user(name, hash)),
                // Not repeated: whoever has it can try passwords against it.
                Err(error) => {
                    Answer::refuse(ErrorCode::BadValue, format!("the hash cannot be used: {error}"))
                }
            },
            Command::UserList => {
                let users = self.view().users().iter();
                let rights = |user: &str| self.view().user_rights(user).as_str();
                Answer::rows(
                    users
                        .map(|user| {
                            Fields::new().with("name", user.name()).with("rights", rights(user.name()))
                        })
                        .collect(),
                )
            }
            Command::Check => match self.check(self.view()) {
                Ok(()) => Answer::ok(),
                Err(error) => refuse(&error),
            },
            Command::Commit | Command::CommitTrial { .. } => match self.console.draft.clone() {
                Some(draft) => {
                    let answer = match *command {
                        Command::CommitTrial { seconds } => self.commit_trial(draft, seconds),
                        _ => self.commit(draft),
                    };
                    // A refused one stays open, so that its mistake can be corrected.
                    if answer.end.is_ok() {
                        self.console.draft = None;
                    }
                    answer
                }
                None => Answer::refuse(
                    ErrorCode::NoTransaction,
                    "there is no open transaction; `begin` opens one",
                ),
            },
            Command::Abort => match self.console.draft.take() {
                Some(_) => Answer::ok(),
                None => Answer::refuse(ErrorCode::NoTransaction, "there is no open transaction"),
            },
            Command::Confirm => self.confirm(),
            Command::Rollback => self.roll_back(),
            Command::File(command) => self.file_command(command),
            Command::WifiStatus => self.wifi_status(),
            Command::WifiScan => self.wifi_scan(),
            Command::Info => Answer::rows(self.info()),
            Command::Refused => Answer::rows(self.refused.rows(self.now).collect()),
            Command::Devices => self.list_devices(),
            Command::DeviceSet { name, key, value } => self.set_device(name, key, value),
            Command::Channels => self.list_channels(),
            Command::Run { command } => self.run_openbeken(command),
            Command::Flush => self.flush_some(),
            Command::Reboot => {
                self.restart();
                Answer::ok()
            }
            Command::Log { level } => {
                self.log_level = *level;
                Answer::ok()
            }
            Command::Help { key: None } => {
                let rows = COMMANDS.iter();
                Answer::rows(
                    rows.map(|row| Fields::new().with("usage", row.usage).with("help", row.help)).collect(),
                )
            }
            Command::Help { key: Some(key) } => match self.view().get(key) {
                Ok(entry) => Answer::fields(
                    // Without the value: the longest one would leave no room in a line for the rest.
                    self.with_note(Fields::new().with("key", entry.key.name), entry.key)
                        .with("allowed", entry.key.allowed())
                        .with("help", entry.key.help),
                ),
                Err(error) => refuse(&error),
            },
        })
    }

    /// Stores a part of what waits.
    fn flush_some(&mut self) -> Answer {
        let mut stored = 0_u32;
        for _ in 0..FLUSHED_AT_A_TIME {
            match self.store_next() {
                Step::Idle => return flushed(stored, "no"),
                Step::Skipped => {}
                Step::Attempted(Ok(())) => stored = stored.saturating_add(1),
                Step::Attempted(Err(failure)) => {
                    return Answer::refuse(ErrorCode::Storage, failure.to_string());
                }
            }
        }
        flushed(stored, "yes")
    }

    /// Stores what waits, and lets the board restart.
    pub(crate) fn restart(&mut self) {
        self.flush();
        self.actions.push_back(Action::Reboot);
    }

    /// What a reader sees: inside a transaction its own changes.
    fn view(&self) -> &Settings {
        self.console.draft.as_ref().map_or(&self.settings, Draft::settings)
    }

    fn begin(&mut self, generation: u32) -> Answer {
        if self.console.draft.is_some() {
            return Answer::refuse(
                ErrorCode::InTransaction,
                "a transaction is open; `commit` or `abort` ends it",
            );
        }
        match Draft::begin(&self.settings, generation) {
            Ok(draft) => {
                self.console.draft = Some(draft);
                Answer::ok()
            }
            Err(stale) => Answer::refuse(ErrorCode::from(&stale), stale.to_string()),
        }
    }

    /// A change inside the open transaction, whose answer says whether there it is one, or a transaction of its own.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Draft) -> Result<(), SettingError>) -> Answer {
        if let Some(draft) = &mut self.console.draft {
            let before = draft.settings().clone();
            return match change(draft) {
                Ok(()) => {
                    let changed = if *draft.settings() == before { "no" } else { "yes" };
                    Answer::fields(Fields::new().with("changed", changed))
                }
                Err(error) => refuse(&error),
            };
        }
        if self.locked {
            return Answer::refuse(ErrorCode::Locked, LOCKED);
        }
        let mut draft = match Draft::begin(&self.settings, self.settings.generation()) {
            Ok(draft) => draft,
            Err(stale) => return Answer::refuse(ErrorCode::from(&stale), stale.to_string()),
        };
        match change(&mut draft) {
            Ok(()) => self.commit(draft),
            Err(error) => refuse(&error),
        }
    }

    /// A change that is a transaction of its own, whatever the console has open.
    pub(crate) fn commit_apart(
        &mut self,
        change: impl FnOnce(&mut Draft) -> Result<(), SettingError>,
    ) -> Result<(), String> {
        if self.locked {
            return Err(LOCKED.to_string());
        }
        let draft = Draft::begin(&self.settings, self.settings.generation());
        let mut draft = draft.map_err(|stale| stale.to_string())?;
        change(&mut draft).map_err(|error| error.to_string())?;
        self.commit(draft).end.map(|_| ()).map_err(|(_, message)| message)
    }

    /// Stores and applies a transaction. Nothing is applied that could not be stored.
    fn commit(&mut self, draft: Draft) -> Answer {
        match self.checked(&draft) {
            Ok(Some(settings)) => match self.store_and_apply(settings) {
                Ok(()) => self.generation_answer(),
                Err(answer) => answer,
            },
            Ok(None) => self.generation_answer(),
            Err(answer) => answer,
        }
    }

    /// The settings that a transaction makes, if it changes any.
    pub(crate) fn checked(&self, draft: &Draft) -> Result<Option<Settings>, Answer> {
        if self.trial.is_some() {
            return Err(Answer::refuse(
                ErrorCode::InTransaction,
                "settings are on trial; `confirm` stores them and `rollback` drops them",
            ));
        }
        // Another console may have committed since this draft was begun.
        let (given, current) = (draft.base().generation(), self.settings.generation());
        if given != current {
            let stale = Stale { given, current };
            return Err(Answer::refuse(ErrorCode::from(&stale), stale.to_string()));
        }
        // A locked device is unlocked by a commit even of what it has: the owner has looked.
        if !draft.is_changed() && !self.locked {
            return Ok(None);
        }
        match self.check(draft.settings()).and_then(|()| draft.clone().finish()) {
            Ok(settings) => Ok(Some(settings)),
            Err(error) => Err(refuse(&error)),
        }
    }

    pub(crate) fn store_and_apply(&mut self, settings: Settings) -> Result<(), Answer> {
        if let Err(error) = self.settings_store.save(self.board.flash(), &settings) {
            return Err(Answer::refuse(
                ErrorCode::Storage,
                format!(
                    "{error}; nothing was changed now, but the new settings may be there after a restart"
                ),
            ));
        }
        self.locked = false;
        self.apply(settings);
        Ok(())
    }

    fn hello(&self) -> Hello {
        let identity = &self.identity;
        let state = match self.trial {
            _ if self.locked => "locked",
            Some(_) => "trial",
            None => "ok",
        };
        Hello::new(
            identity.firmware,
            identity.chip,
            identity.board,
            &self.settings,
            state,
            identity.capabilities,
        )
    }

    fn entry_fields(&self, entry: &Entry) -> Fields {
        let default = if entry.is_default { "yes" } else { "no" };
        let fields =
            Fields::new().with("key", entry.key.name).with("value", &entry.value).with("default", default);
        self.with_note(fields, entry.key)
    }

    /// Says beside what was set that it has no effect here.
    fn note_effect(&self, key: &str, mut answer: Answer) -> Answer {
        if let Some(key) = Key::find(key) {
            answer.end = answer.end.map(|fields| self.with_note(fields, key));
        }
        answer
    }

    fn with_note(&self, fields: Fields, key: &Key) -> Fields {
        match key.lacks(self.identity.capabilities) {
            Some(lacking) => {
                fields.with("note", format_args!("no effect on this board: it lacks {}", lacking.what()))
            }
            None => fields,
        }
    }

    fn info(&mut self) -> Vec<Fields> {
        let time = self.local_time();
        let statistics = self.broker.statistics();
        let drops = statistics.drops;
        let about = self
            .hello()
            .to_fields()
            .with("name", self.settings.hostname())
            .with("uptime_s", self.now.as_micros() / 1_000_000);
        let about = match time {
            Some(time) => about.with("time", time),
            None => about,
        };
        let mut rows = Vec::from([
            match self.trial_left_s() {
                Some(left) => about.with("trial_left_s", left),
                None => about,
            },
            Fields::new()
                .with("clients", statistics.clients)
                .with("clients_maximum", statistics.clients_maximum)
                .with("sessions", statistics.sessions)
                .with("subscriptions", statistics.subscriptions)
                .with("retained", statistics.retained)
                .with("refused", statistics.refused),
            Fields::new()
                .with("messages_received", statistics.messages_received)
                .with("messages_sent", statistics.messages_sent)
                .with("bytes_received", statistics.bytes_received)
                .with("bytes_sent", statistics.bytes_sent),
            Fields::new()
                .with("dropped_slow_reader", drops.slow_reader)
                .with("dropped_queue_full", drops.queue_full)
                .with("dropped_out_of_memory", drops.out_of_memory)
                .with("dropped_link_closed", drops.link_closed)
                .with("dropped_too_large", drops.too_large)
                .with("dropped_expired", drops.expired)
                .with("dropped_not_authorized", drops.not_authorized),
            Fields::new()
                .with("retained_not_kept", drops.retained_not_kept)
                .with("sessions_not_stored", drops.sessions_not_stored),
            Fields::new()
                .with("broker_memory_bytes", statistics.memory_used_bytes)
                .with("broker_memory_peak_bytes", statistics.memory_peak_bytes)
                .with("broker_memory_limit_bytes", statistics.memory_limit_bytes),
        ]);
        #[cfg(feature = "scripts")]
        rows.extend(self.script_figures());
        if let Some(heap) = self.board.heap() {
            rows.push(
                Fields::new()
                    .with("heap_used_bytes", heap.used_bytes)
                    .with("heap_free_bytes", heap.free_bytes),
            );
        }
        rows.extend(self.start_fields());
        rows
    }
}

pub(crate) fn refuse(error: &SettingError) -> Answer {
    let message: String = error.to_string();
    Answer::refuse(ErrorCode::from(error), message)
}
