//! What a script may use.

/// The budgets of one machine. Every growth is refused beyond them; see [`Limits::CHIP`] for what fits a small chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all objects, code, stacks and texts in the making.
    pub heap_bytes: usize,
    /// Steps of one run: an instruction costs one, a native one per element and per eight bytes.
    pub steps: u32,
    /// Steps after which a run pauses ([`Progress::Paused`](crate::Progress::Paused)) so that its host can do something
    /// else; `u32::MAX` for never. A native is not interrupted, nor is a script that one waits for.
    pub slice: u32,
    /// Levels of blocks and expressions in a source, of values in a printed text, in JSON and in comparisons; together
    /// with those of natives that wait for a script. Each costs stack of the processor.
    pub nesting: u16,
    /// Calls that may wait for each other.
    pub calls: u16,
    /// Natives that may wait for a script they called (`tostring` of an instance, for example): each costs stack of
    /// the processor.
    pub reentry: u8,
}

impl Limits {
    /// For a chip with about 100 kB of free memory.
    pub const CHIP: Limits =
        Limits { heap_bytes: 24 * 1024, steps: 500_000, slice: u32::MAX, nesting: 32, calls: 60, reentry: 4 };

    /// For tools on a PC.
    pub const PC: Limits = Limits {
        heap_bytes: 64 << 20,
        steps: u32::MAX,
        slice: u32::MAX,
        nesting: 100,
        calls: 1000,
        reentry: 8,
    };
}

/// What the allocator adds to a block, roughly.
pub(crate) const BLOCK_OVERHEAD_BYTES: usize = 8;
/// The first allocation of a list holds this many elements.
pub(crate) const MIN_ELEMENTS: usize = 4;
/// Slots of the stack that are kept while nothing runs.
pub(crate) const IDLE_SLOTS: usize = 32;
/// Values that one function can name: locals, arguments and intermediate results.
pub(crate) const MAX_REGISTERS: usize = 250;
/// The longest traceback that is kept for the host.
pub(crate) const TRACEBACK_BYTES: usize = 1024;
/// The least that is taken between two collections.
pub(crate) const FIRST_COLLECTION_BYTES: usize = 2048;
/// Objects that wait to be marked; more are found by another pass.
pub(crate) const MARK_STACK: usize = 64;
/// Entries of a map that are searched one by one; a larger map has an index.
pub(crate) const LINEAR_MAP: usize = 8;
/// The widest field that a format may ask for.
pub(crate) const MAX_FIELD_WIDTH: usize = 255;
