//! Files that hold what the program printed when somebody last looked.

use std::path::Path;

/// Compares with a file in `tests/golden/`; `UPDATE_GOLDEN=1` writes it.
#[track_caller]
pub(crate) fn golden(name: &str, transcript: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, transcript).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == transcript,
        "{} differs; UPDATE_GOLDEN=1 rewrites it.\n--- expected\n{expected}\n--- found\n{transcript}",
        path.display()
    );
}
