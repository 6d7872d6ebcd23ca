//! Why an instruction or a native did not come to its end.

/// What ends the work of the machine. Only exceptions can be caught by scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Raised {
    /// An exception of the language; its value and message lie in the machine.
    Exception,
    /// The heap is full.
    Memory,
    /// The steps of this run are used up.
    Steps,
    /// The steps of this slice are used up; none of the instruction is done.
    Slice,
    /// The run stands between two instructions and goes on later.
    Paused,
    /// A host function wants the script to wait.
    Suspended,
    /// A fault of the machine itself: an object that is referred to does not exist.
    Internal,
}
