//! Which crates an image is made of: the sizes of the linked program's symbols, added up by the crate that they name.
//!
//! A generic function counts where it was written, and what was inlined counts where it ended up; so a row says where to
//! look rather than what leaving a crate out would save.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result};
use object::read::elf::ElfFile32;
use object::{Object as _, ObjectSymbol as _, SymbolKind};

use crate::sizes::grouped;

/// Rows that are shown.
const SHOWN: usize = 10;
/// Symbols that name no crate: assembler, compiler support, strings.
const NO_CRATE: &str = "(no crate)";

/// Bytes of code and data in flash and RAM by crate, the largest first; heaps are left out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Crates(Vec<(String, u64)>);

impl Crates {
    /// Adds up the symbols of a linked program.
    pub(crate) fn of(program: &[u8]) -> Result<Self> {
        let file: ElfFile32<'_> = ElfFile32::parse(program).context("the linked program is no ELF file")?;
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        for symbol in file.symbols() {
            let sized = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Data) && symbol.size() > 0;
            let Some(name) = symbol.name().ok().filter(|name| sized && !name.contains("HEAP")) else {
                continue;
            };
            *sizes.entry(crate_of(name)).or_default() += symbol.size();
        }
        let mut sizes: Vec<_> = sizes.into_iter().collect();
        sizes.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        Ok(Self(sizes))
    }
}

/// The first crate in a symbol's name, the type's in `<Type as Trait>::function`.
fn crate_of(symbol: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(symbol));
    let path = name.trim_start_matches(['<', '&', '*', '[', '(']);
    let path = path.trim_start_matches("mut ").trim_start_matches("dyn ");
    let end =
        path.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(path.len());
    match path.split_at(end) {
        (first, rest) if rest.starts_with("::") && !first.is_empty() => first.to_owned(),
        _ => NO_CRATE.to_owned(),
    }
}

impl fmt::Display for Crates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "  the largest crates")?;
        for (name, bytes) in self.0.iter().take(SHOWN) {
            writeln!(formatter, "    {name:<22} {:>9}", grouped(*bytes))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_name_their_crates() {
        for (symbol, name) in [
            ("_ZN12obkmq_broker5route5route17h0123456789abcdefE", "obkmq_broker"),
            (
                "_ZN57_$LT$obkmq_mqtt..qos..QoS$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE",
                "obkmq_mqtt",
            ),
            ("_RNvNtCs1234_7mycrate3foo3bar", "mycrate"),
            ("main", NO_CRATE),
            (".Lanon.0123.4", NO_CRATE),
        ] {
            assert_eq!(crate_of(symbol), name, "{symbol}");
        }
    }
}
