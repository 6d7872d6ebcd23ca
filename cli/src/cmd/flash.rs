//! `obkmq flash`: firmware onto a chip, verified and seen running.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use obkmq_config::line::Hello;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::flash::beken::foreign;
use crate::flash::image::{self, Image};
use crate::flash::options::{DangerOption, LoaderOptions};
use crate::flash::plan::{Plan, Step};
use crate::flash::provision::{self, Provision};
use crate::flash::{Loader, Model, Part};
use crate::interrupt;
use crate::serial::client::{Client, ClientError};
use crate::serial::transport::SerialTransport;

/// A slow chip verifies its image and mounts its storage in this time.
const BOOT_PATIENCE: Duration = Duration::from_secs(20);

/// Write the firmware to a board, verify it and see it start
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq flash --port /dev/ttyUSB0
  obkmq flash --image obkmq-esp32c3.bin --dry-run
  obkmq flash --config house.toml

Settings, files and retained messages stay, unless --erase is given. Running it again writes only what differs. \
--config is for a board that has no settings yet: it starts with those of the file. Secrets stand where the file refers to.")]
pub(crate) struct Flash {
    /// The merged image (default: what `cargo xtask image` made for the chip)
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Print what would be done; touches no port
    #[arg(long)]
    dry_run: bool,
    /// Also erase settings, files and retained messages
    #[arg(long)]
    erase: bool,
    /// Also write these settings and users: a first set-up, in one pass
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// With --config: put them in the place of settings that are there
    #[arg(long, requires = "config")]
    replace_settings: bool,
    /// BK7231: do not save a foreign firmware first
    #[arg(long)]
    no_backup: bool,
    #[command(flatten)]
    danger: DangerOption,
    #[command(flatten)]
    loader: LoaderOptions,
}

impl Flash {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        // Whatever is wrong with the files shows before a port is opened.
        let mut images = match &self.image {
            Some(path) => vec![Image::load(path, self.loader.board)?],
            None => image::found(self.loader.board)?,
        };
        if !self.danger.risk_dead_board && images.iter_mut().any(Image::keep_bootloader) {
            context.note("the boot loader in the image is left out (--risk-dead-board writes it, too)");
        }
        let packed = self.config.as_deref().map(Provision::pack).transpose()?;
        if self.dry_run {
            return self.print_plans(&images, packed.as_ref(), context);
        }
        let wanted = images.first().map(|image| image.model);
        let (path, mut loader) = self.loader.connect(wanted, self.danger.risk_dead_board, context)?;
        let (image, settings, plan) = match self.plan_for(loader.as_mut(), images, packed.as_ref(), context) {
            Ok(all) => all,
            Err(failure) => {
                // Nothing was done to the board, so it goes on as before. If it cannot, the failure says more.
                let _ = loader.start_firmware(context);
                return Err(failure.into());
            }
        };
        context.note(headline(&image));
        plan.lines().iter().for_each(|line| context.note(line));

        if let Model::Beken(_) = loader.model()
            && !self.no_backup
            && let Err(failure) = foreign::save_first(loader.as_mut(), &image, context)
        {
            let _ = loader.start_firmware(context);
            return Err(failure.into());
        }
        interrupt::arm(
            "The board may be half-flashed, and does not start then.",
            "run the same command again; what is written already is skipped",
        );
        let started = Instant::now();
        // The settings last: until then a repeated run finds their place blank.
        let parts: Vec<Part> = image.parts.iter().cloned().chain(settings).collect();
        for range in &plan.erased {
            loader.erase(range, context)?;
        }
        let bar = context.byte_bar(plan.bytes);
        let written = loader.write(&parts, &mut |done| bar.set_position(done), context);
        bar.finish_and_clear();
        let written = written?;
        let seconds = started.elapsed().as_secs_f64();

        interrupt::arm(
            "Everything is written and verified; the firmware was not seen starting.",
            "tap RESET, then: obkmq info",
        );
        let chip = loader.model().name();
        let transport = loader.start_firmware(context)?;
        let firmware = if image.is_obkmq {
            let hello = await_firmware(transport, context).map_err(|error| not_running(error, &path))?;
            Some(hello.firmware)
        } else {
            context
                .warn(format_args!("{} is not obkmq; whether it starts is not checked", image.application));
            None
        };
        let outcome = Outcome {
            port: &path,
            chip: &chip,
            image: image.path.display().to_string(),
            bytes: plan.bytes,
            written_bytes: written.written_bytes,
            skipped_bytes: written.skipped_bytes,
            seconds,
            kilobytes_per_second: rate(written.written_bytes, seconds),
            firmware,
            users: packed.as_ref().map(Provision::users),
        };
        outcome.print(context)
    }

    /// The image for the chip, the settings for their place in it, and what is to be done; or why it is not to be done.
    fn plan_for(
        &self,
        loader: &mut dyn Loader,
        images: Vec<Image>,
        packed: Option<&Provision>,
        context: &Context,
    ) -> Result<(Image, Option<Part>, Plan), Failure> {
        let image = image::for_model(images, loader.model())?;
        foreign::check_key(loader, &image, context)?;
        let settings = packed.map(|packed| packed.part(&image)).transpose()?;
        let plan = Plan::make(&image, self.erase, settings.as_ref());
        plan.check_flash(loader.flash_bytes())?;
        if let Some(settings) = &settings
            && !self.erase
            && !self.replace_settings
        {
            provision::check_blank(loader, settings)?;
        }
        Ok((image, settings, plan))
    }

    fn print_plans(
        &self,
        images: &[Image],
        packed: Option<&Provision>,
        context: &Context,
    ) -> anyhow::Result<()> {
        let baud = self.loader.baud;
        for image in images {
            let settings = packed.map(|packed| packed.part(image)).transpose()?;
            let plan = Plan::make(image, self.erase, settings.as_ref());
            let seconds = plan.seconds(baud);
            if context.json {
                context.out_json("plan", PlanLine::new(image, &plan, seconds))?;
                continue;
            }
            context.out(headline(image))?;
            for line in plan.lines() {
                context.out(line)?;
            }
            context.out(format_args!(
                "{} bytes, about {:.0} s at {} baud; nothing was done",
                plan.bytes,
                seconds.ceil(),
                baud
            ))?;
        }
        Ok(())
    }
}

fn headline(image: &Image) -> String {
    format!("{} for {}: {}", image.application, image.model, image.path.display())
}

/// Waits until what was just started says hello.
pub(super) fn await_firmware(transport: SerialTransport, context: &Context) -> Result<Hello, ClientError> {
    let verbose = context.verbose;
    let mut client = Client::new(transport, move |line| {
        if verbose {
            let _ = writeln!(std::io::stderr(), "  | {line}");
        }
    });
    client.hello(BOOT_PATIENCE)
}

fn not_running(error: ClientError, path: &str) -> Failure {
    let Failure { why, .. } = error.into_failure(path, true);
    Failure::new(
        Exit::NoReply,
        "The image is written and verified, but the firmware does not answer.",
        why,
        format!("tap RESET, then watch it start: obkmq monitor --port {path}"),
    )
}

/// kB/s, zero when nothing was transferred.
fn rate(bytes: u64, seconds: f64) -> f64 {
    // Byte counts are far below the 52 bits that stay exact.
    #[allow(clippy::cast_precision_loss)]
    let bytes = bytes as f64;
    if seconds > 0.0 { bytes / seconds / 1000.0 } else { 0.0 }
}

#[derive(Serialize)]
struct Outcome<'a> {
    port: &'a str,
    chip: &'a str,
    image: String,
    bytes: u64,
    written_bytes: u64,
    skipped_bytes: u64,
    seconds: f64,
    kilobytes_per_second: f64,
    /// The version that said hello.
    firmware: Option<String>,
    /// How many users the written settings have.
    users: Option<usize>,
}

impl Outcome<'_> {
    fn print(&self, context: &Context) -> anyhow::Result<()> {
        if context.json {
            return context.out_json("flash", self);
        }
        let transfer = if self.written_bytes == 0 {
            format!("{} bytes were there already", self.bytes)
        } else {
            format!(
                "{} bytes in {:.1} s ({:.1} kB/s)",
                self.written_bytes, self.seconds, self.kilobytes_per_second
            )
        };
        let runs =
            self.firmware.as_ref().map(|version| format!("; obkmq {version} runs")).unwrap_or_default();
        let users = match self.users {
            None => String::new(),
            Some(1) => ", with its settings and 1 user".to_owned(),
            Some(users) => format!(", with its settings and {users} users"),
        };
        context.out(format_args!("{}: {transfer}, verified{runs}{users}", self.chip))
    }
}

#[derive(Serialize)]
struct PlanLine<'a> {
    chip: String,
    image: String,
    application: &'a str,
    bytes: u64,
    seconds: f64,
    flash_bytes: u32,
    steps: &'a [Step],
}

impl<'a> PlanLine<'a> {
    fn new(image: &'a Image, plan: &'a Plan, seconds: f64) -> Self {
        Self {
            chip: image.model.name(),
            image: image.path.display().to_string(),
            application: &image.application,
            bytes: plan.bytes,
            seconds,
            flash_bytes: plan.flash_bytes,
            steps: &plan.steps,
        }
    }
}
