//! The node on QEMU's ARMv5TE machine (`-M versatilepb`), in the memory that a BK7231 has.
//!
//! It is the stand-in for that chip's core that can be run everywhere: the same instruction set without atomics, the
//! same addresses of code and memory, a heap of 100 kB for everything, and a network device whose frames are real. What
//! it is not: its processor has an MMU (here to find stray accesses) and caches (off) that the chip lacks, emulated time
//! is not the chip's, and there is no radio.
//!
//! One loop and nothing else: console and network in, the node's turn, network and console out, then sleep until a device
//! has something. No interrupt handler runs but the watchdog's, which never returns.
//!
//! `cargo xtask image virt-arm` builds it; the end-to-end tests start it.
#![no_std]
#![no_main]

mod board;
mod clock;
mod console;
mod entropy;
mod ethernet;
mod flash;
mod guard;
mod heap;
mod limits;
mod registers;
mod reset;
mod watchdog;

use obkmq_net::Stack;
use obkmq_node::{Action, Node};

use board::VirtBoard;
use clock::Clock;
use console::Console;
use entropy::Random;
use ethernet::Ethernet;
use flash::Flash;
use watchdog::Watchdog;

core::arch::global_asm!(include_str!("start.s"), options(raw));

/// Where `start.s` goes.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    let mut console = Console::new();
    // SAFETY: `start.s` calls `main` once, so this and the others below are the only calls.
    unsafe { guard::enable() };
    // SAFETY: as above.
    unsafe { heap::init() };
    // SAFETY: as above.
    let flash = unsafe { Flash::new() };
    let mut clock = Clock::new();
    let mut random = Random::new();
    let is_seeded = random.is_seeded();
    let mut seed = [0; 8];
    random.fill(&mut seed);

    let setup = board::network(u64::from_le_bytes(seed));
    // SAFETY: as above.
    let Some(mut ethernet) = (unsafe { Ethernet::new(setup.mac) }) else {
        reset::halt(format_args!(
            "there is no network device; start the emulator with -nic user,model=smc91c111"
        ))
    };
    let mut stack = match Stack::new(setup, &mut ethernet, clock.now()) {
        Ok(stack) => stack,
        Err(error) => reset::halt(format_args!("{error}")),
    };
    let mut node =
        Node::boot(VirtBoard::new(flash, random), board::identity(), board::regions(), clock.now());
    if !is_seeded {
        node.log_error(format_args!(
            "no random bytes: passwords and keys can be guessed; next: start the emulator with -device \
             loader,addr=0x700000,file=SEED,force-raw=on, where SEED holds 32 random bytes"
        ));
    }
    let mut input = [0; limits::CONSOLE_INPUT_BYTES];
    let watchdog = Watchdog::start();
    loop {
        watchdog.feed();
        let now = clock.now();
        let received = console.receive(&mut input);
        node.console_input(input.get(..received).unwrap_or_default());
        stack.receive(now, &mut ethernet, &mut node);
        let node_due = node.poll(now);
        actions(&mut node, &mut stack, &mut console);
        let stack_due = stack.send(now, &mut ethernet, &mut node);
        let written = console.send(node.console_output());
        node.console_written(written);
        let spent = clock.now().as_micros().saturating_sub(now.as_micros());
        node.note_turn(u32::try_from(spent).unwrap_or(u32::MAX));
        // What is left over for another turn raises no interrupt.
        let left_over = (!node.console_output().is_empty() || ethernet.has_backlog()).then_some(now);
        clock.sleep_until([node_due, stack_due, left_over].into_iter().flatten().min());
    }
}

/// Does what the node wants of its board.
fn actions(node: &mut Node<VirtBoard>, stack: &mut Stack, console: &mut Console) {
    while let Some(action) = node.next_action() {
        match action {
            Action::Listen { port } => stack.listen(Some(port)),
            Action::StopListening => stack.listen(None),
            Action::Reboot => {
                node.flush();
                while !node.console_output().is_empty() {
                    let written = console.send(node.console_output());
                    node.console_written(written);
                }
                reset::reset()
            }
        }
    }
}
