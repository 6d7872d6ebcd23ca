//! `cargo xtask capacity virt-arm`: what the board of 100 kB carries, and what a message costs there.
//!
//! The emulator counts instructions (`-icount`), and the board says how much of its time it has slept, so that what is
//! left is work. Instructions are the same on the chip; cycles are not counted by anything here, so the figures at its
//! clock are computed. Emulated time is not the chip's time.

mod machine;

use std::fs;

use anyhow::{Context as _, Result, ensure};
use object::read::elf::ElfFile32;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

use crate::bench_broker::wire;
use crate::crates::Crates;
use crate::project::Project;
use crate::sizes::grouped;
use crate::virt_arm;
use machine::{INSTRUCTIONS_PER_US, Machine};

/// BK7231's clock.
const CHIP_HZ: f64 = 120e6;
/// Cycles that an ARM9 takes for an instruction of such code in memory without wait states: assumed. Code that runs out
/// of flash takes more.
const CYCLES_PER_INSTRUCTION: f64 = 1.36;
/// More than any board here has places for.
const MOST_CLIENTS: usize = 200;
/// Messages that an average is taken of.
const MESSAGES: u64 = 300;
/// Written all over the stack by the board's start-up code.
const PAINT: u32 = 0x57AC_57AC;

/// Measure what a board carries: clients, memory, messages
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The board
    board: Board,
    /// Use only what is on this machine: no rustup, no crate downloads
    #[arg(long)]
    offline: bool,
}

/// Boards that an emulator runs.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Board {
    VirtArm,
}

/// Entry point of the verb.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Board::VirtArm = arguments.board;
    let project = Project::locate()?;
    virt_arm::make(&project, arguments.offline)?;
    let image = virt_arm::image(&project);
    let program = fs::read(&image).with_context(|| format!("{} cannot be read", image.display()))?;
    print!("{}", Crates::of(&program)?);

    let places = Places::of(&program)?;
    clients(&mut Machine::start(&image, false)?)?;
    let mut deepest = 0;
    println!("\na message of 64 bytes, one at a time (mean of {MESSAGES})");
    println!("  {:<28} {:>10} {:>14} {:>16}", "", "instr.", "ms at 120 MHz", "a second at most");
    for qos in [0, 1] {
        // Each on a board of its own: nobody's late segments come between.
        let one = message(&mut Machine::start(&image, true)?, &places, 1, qos)?;
        let mut machine = Machine::start(&image, true)?;
        let two = message(&mut machine, &places, 2, qos)?;
        deepest = deepest.max(stack_bytes(&mut machine, &places)?);
        row(&format!("1 to 1 at QoS {qos}"), one);
        row(&format!("1 to 2 at QoS {qos}"), two);
        row(&format!("1 to 10 at QoS {qos}, computed"), one + 9 * two.saturating_sub(one));
    }
    println!(
        "  computed from the instructions with {CYCLES_PER_INSTRUCTION} cycles each, assumed: an emulator has no cycles, \
         and emulated time\n  is not the chip's. Ethernet driver and TCP are in it; a radio's driver is not."
    );
    println!("\nstack: {} bytes used at the deepest, of {}", grouped(deepest), grouped(places.stack_bytes));
    Ok(())
}

/// Bytes of the stack that have been used: what was painted and is no more.
fn stack_bytes(machine: &mut Machine, places: &Places) -> Result<u64> {
    let stack = machine.words(places.stack_bottom, usize::try_from(places.stack_bytes / 4)?)?;
    let untouched = u64::try_from(stack.iter().take_while(|word| **word == PAINT).count())? * 4;
    Ok(places.stack_bytes - untouched)
}

/// Where in the board's memory things are that are looked at from outside.
struct Places {
    times: u64,
    stack_bottom: u64,
    stack_bytes: u64,
}

impl Places {
    fn of(program: &[u8]) -> Result<Self> {
        let file: ElfFile32<'_> = ElfFile32::parse(program).context("the linked program is no ELF file")?;
        let symbol = |name: &str| file.symbols().find(|symbol| symbol.name() == Ok(name));
        let times = symbol("OBKMQ_TIMES").context("the board does not count its time")?.address();
        let stack = file.section_by_name(".stack").context("the board has no stack")?;
        Ok(Self { times, stack_bottom: stack.address(), stack_bytes: stack.size() })
    }
}

/// Fills the house, and says what each one takes.
fn clients(machine: &mut Machine) -> Result<()> {
    let figures = ["heap_used_bytes", "broker_memory_bytes", "heap_free_bytes"];
    let [heap_before, _, free_before] = machine.figures(figures)?;
    let mut clients = Vec::new();
    let mut first = None;
    while clients.len() < MOST_CLIENTS {
        let number = clients.len();
        let Some(mut client) = machine.connect(&format!("client{number:02}"))? else { break };
        client.send(&wire::subscribe(&[&format!("home/client{number:02}/#"), "all/+/command"], 1))?;
        let answer = client.next().with_context(|| format!("client {number}"))?;
        ensure!(answer.0 == 0x90, "the subscription was not answered");
        clients.push(client);
        if clients.len() == 2 {
            first = Some(machine.figures(figures)?);
        }
    }
    let [heap, broker, free] = machine.figures(figures)?;
    let [heap_first, broker_first, _] = first.context("not even two clients were let in")?;
    let count = u64::try_from(clients.len())?;
    let each = |all: u64, at_first: u64| all.saturating_sub(at_first) / count.saturating_sub(2).max(1);
    println!("\nclients, each with two subscriptions, a will and a clean session");
    println!("  let in until one was refused  {count:>7}");
    println!("  heap of each, in all          {:>7} bytes", each(heap, heap_first));
    println!("    of which the broker's       {:>7} bytes", each(broker, broker_first));
    println!(
        "    of which its socket's       {:>7} bytes",
        each(heap, heap_first) - each(broker, broker_first)
    );
    println!("  heap in use before, with all  {:>7} and {} bytes", grouped(heap_before), grouped(heap));
    println!("  heap free before, with all    {:>7} and {} bytes", grouped(free_before), grouped(free));
    Ok(())
}

/// Instructions of a message from one client to others.
fn message(machine: &mut Machine, places: &Places, receivers: usize, qos: u8) -> Result<u64> {
    let full = "the board lets nobody in";
    let mut sender = machine.connect("sender")?.context(full)?;
    let mut readers = Vec::new();
    for number in 0..receivers {
        let mut reader = machine.connect(&format!("reader{number}"))?.context(full)?;
        reader.send(&wire::subscribe(&["bench/topic"], qos))?;
        ensure!(reader.next()?.0 == 0x90, "the subscription was not answered");
        readers.push(reader);
    }
    let mut round = |id: u16| -> Result<()> {
        let id = (qos > 0).then_some(id);
        sender.send(&wire::publish("bench/topic", &[b'x'; 64], id))?;
        if id.is_some() {
            ensure!(sender.next()?.0 == 0x40, "the message was not acknowledged");
        }
        for reader in &mut readers {
            let (first, body) = reader.next()?;
            let packet = wire::Packet { first, body: &body };
            if let Some(id) = packet.id_to_acknowledge() {
                reader.send(&wire::puback(id))?;
            }
        }
        Ok(())
    };
    // What grows with the first messages has grown then.
    (1..=20).try_for_each(&mut round)?;
    let before = work_us(machine, places)?;
    (0..MESSAGES).try_for_each(|number| round(u16::try_from(number % 1000).unwrap_or(0) + 1))?;
    let work = work_us(machine, places)?.wrapping_sub(before);
    let instructions = u64::from(work) * INSTRUCTIONS_PER_US / MESSAGES;
    Ok(instructions)
}

fn row(what: &str, instructions: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a figure to be read")]
    let seconds = instructions as f64 * CYCLES_PER_INSTRUCTION / CHIP_HZ;
    println!("  {what:<28} {:>10} {:>14.2} {:>16.0}", grouped(instructions), seconds * 1000.0, 1.0 / seconds);
}

/// Microseconds that the board has worked since it started, when it has come to rest.
fn work_us(machine: &mut Machine, places: &Places) -> Result<u32> {
    let mut last = None;
    loop {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let words = machine.words(places.times, 2)?;
        let [now, slept] = words[..] else { anyhow::bail!("the board's times cannot be read") };
        let work = now.wrapping_sub(slept);
        if last == Some(work) {
            return Ok(work);
        }
        last = Some(work);
    }
}
