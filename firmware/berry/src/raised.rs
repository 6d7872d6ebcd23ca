//! Why an instruction or a native did not come to its end.

/// It did not; [`crate::memory::Budget::reason`] tells why. Of no size: a result is as small as what it holds, and a
/// value or an error comes back in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raised;

/// What ends the work of the machine. Only exceptions can be caught by scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
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
    /// A fault of the machine itself: an object that is referred to does not exist. Nobody has to note it.
    Internal,
}
