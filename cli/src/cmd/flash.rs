//! `obkmq flash`: firmware onto a chip, verified and seen running.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use obkmq_config::line::Hello;
use obkmq_image::ChipId;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::flash::esp::{self, Before};
use crate::flash::image::{self, Image};
use crate::flash::plan::{Plan, Step};
use crate::flash::{Loader, Written};
use crate::interrupt;
use crate::serial::client::{Client, ClientError};
use crate::serial::connect::PortOption;
use crate::serial::transport::SerialTransport;

/// A slow chip verifies its image and mounts its storage in this time.
const BOOT_PATIENCE: Duration = Duration::from_secs(20);

/// Write the firmware to a board, verify it and see it start
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq flash --port /dev/ttyUSB0
  obkmq flash --image obkmq-esp32c3.bin --dry-run

Settings, files and retained messages stay, unless --erase is given. Running it again writes only what differs.")]
pub(crate) struct Flash {
    #[command(flatten)]
    port: PortOption,
    /// The merged image (default: what `cargo xtask image` made for the chip)
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Print what would be done; touches no port
    #[arg(long)]
    dry_run: bool,
    /// Also erase settings, files and retained messages
    #[arg(long)]
    erase: bool,
    /// Speed of the transfer; drops to 115200 by itself when it fails
    #[arg(long, default_value_t = 460_800, value_parser = clap::value_parser!(u32).range(9600..=4_000_000))]
    baud: u32,
    /// How the chip enters its loader; no-reset: BOOT was held while RESET was tapped
    #[arg(long, value_enum, default_value_t = Before::DefaultReset)]
    before: Before,
}

impl Flash {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        // Whatever is wrong with the files shows before a port is opened.
        let images = match &self.image {
            Some(path) => vec![Image::load(path)?],
            None => image::found()?,
        };
        if self.dry_run {
            return self.print_plans(&images, context);
        }
        interrupt::arm("Nothing was written.", "run the same command again when you are ready");
        let port = self.port.open(context)?;
        let path = port.path.clone();
        context.note(format_args!("{path}: connecting to the loader"));
        let mut loader: Box<dyn Loader> = Box::new(esp::connect(port, self.before, self.baud, context)?);
        context.note(format_args!(
            "{path}: {} with {} MB of flash",
            loader.chip(),
            loader.flash_bytes() / (1024 * 1024)
        ));
        let image = image::for_chip(images, loader.chip())?;
        let plan = Plan::make(&image, self.erase);
        plan.check_flash(loader.flash_bytes())?;
        context.note(headline(&image));
        plan.lines().iter().for_each(|line| context.note(line));

        interrupt::arm(
            "The board may be half-flashed, and does not start then.",
            "run the same command again; what is written already is skipped",
        );
        let started = Instant::now();
        for range in &plan.erased {
            loader.erase(range)?;
        }
        let written = write(loader.as_mut(), &image, &plan, context)?;
        let seconds = started.elapsed().as_secs_f64();

        interrupt::arm(
            "Everything is written and verified; the firmware was not seen starting.",
            "tap RESET, then: obkmq info",
        );
        let chip = name(loader.chip());
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
        };
        outcome.print(context)
    }

    fn print_plans(&self, images: &[Image], context: &Context) -> anyhow::Result<()> {
        for image in images {
            let plan = Plan::make(image, self.erase);
            let seconds = plan.seconds(self.baud);
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
                self.baud
            ))?;
        }
        Ok(())
    }
}

fn headline(image: &Image) -> String {
    format!("{} for {}: {}", image.application, image.chip, image.path.display())
}

/// Writes with a bar on a terminal, silently elsewhere.
fn write(loader: &mut dyn Loader, image: &Image, plan: &Plan, context: &Context) -> Result<Written, Failure> {
    let target = if context.bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(plan.bytes), target);
    let template = "  {bar:20} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    let result = loader.write(&image.parts, &mut |bytes| bar.set_position(bytes), context);
    bar.finish_and_clear();
    result
}

/// Waits until what was just started says hello.
fn await_firmware(transport: SerialTransport, context: &Context) -> Result<Hello, ClientError> {
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

/// The chip in the words of `cargo xtask image`, where it has such a name.
fn name(chip: ChipId) -> String {
    chip.chip().map_or_else(|| chip.to_string(), |chip| chip.name().to_owned())
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
        context.out(format_args!("{}: {transfer}, verified{runs}", self.chip))
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
            chip: name(image.chip),
            image: image.path.display().to_string(),
            application: &image.application,
            bytes: plan.bytes,
            seconds,
            flash_bytes: plan.flash_bytes,
            steps: &plan.steps,
        }
    }
}
