//! What an image costs in flash and RAM, and the budget it has to keep.
//!
//! The figures come from the linked program: its sections, and the symbols of its heaps, which are plain arrays.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use object::read::elf::ElfFile32;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionFlags, elf};

/// Sections that hold room for others: flash code and data are mapped at addresses that RAM sections must leave free.
const PLACEHOLDERS: [&str; 2] = [".rotext_dummy", ".rodata_dummy"];
/// The part of data RAM that code in RAM occupies; both buses see the same memory.
const CODE_IN_RAM: &str = ".rwdata_dummy";
/// Where code and data have one address for both, the code itself.
const CODE_OF_ONE_BUS: [&str; 3] = [".trap", ".rwtext", ".rwtext.wifi"];
/// What is left of the data RAM for the stack.
const STACK: &str = ".stack";
/// Smaller symbols called `HEAP` are the allocator's bookkeeping.
const LEAST_HEAP_BYTES: u64 = 1024;

/// Sizes in bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// The app as it is written to flash.
    pub(crate) app: u64,
    /// Code in RAM, initialised and zeroed data, without the heap.
    pub(crate) static_ram: u64,
    /// Heap, all regions.
    pub(crate) heap: u64,
    /// What is left for the stack.
    pub(crate) stack: u64,
    /// Sections that exist at run time, in address order.
    sections: Vec<(String, u64)>,
}

/// One chip's limits, in bytes.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    app_max: u64,
    static_ram_max: u64,
    heap_min: u64,
    stack_min: u64,
}

impl Sizes {
    /// Reads the sizes out of a linked program; `app` is the size of the image made from it.
    pub(crate) fn of(program: &[u8], app: u64) -> Result<Self> {
        let file: ElfFile32<'_> = ElfFile32::parse(program).context("the linked program is no ELF file")?;
        let mut sizes = Self { app, ..Self::default() };
        let mut sections = Vec::new();
        let has_one_bus = file.section_by_name(CODE_IN_RAM).is_none();
        for section in file.sections() {
            let name = section.name().context("an ELF section has no name")?;
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
            if sh_flags.0 & elf::SHF_ALLOC.0 == 0 || section.size() == 0 || PLACEHOLDERS.contains(&name) {
                continue;
            }
            match name {
                STACK => sizes.stack = section.size(),
                ".data" | ".data.wifi" | ".bss" | ".noinit" | CODE_IN_RAM => {
                    sizes.static_ram += section.size();
                }
                name if has_one_bus && CODE_OF_ONE_BUS.contains(&name) => sizes.static_ram += section.size(),
                _ => {}
            }
            if name != CODE_IN_RAM {
                sections.push((section.address(), name.to_owned(), section.size()));
            }
        }
        let heaps = file.symbols().filter(|symbol| {
            symbol.size() >= LEAST_HEAP_BYTES && symbol.name().is_ok_and(|name| name.contains("HEAP"))
        });
        let bss =
            file.section_by_name(".bss").map(|section| section.address()..section.address() + section.size());
        for heap in heaps {
            sizes.heap += heap.size();
            if bss.as_ref().is_some_and(|bss| bss.contains(&heap.address())) {
                sizes.static_ram = sizes.static_ram.saturating_sub(heap.size());
            }
        }
        sections.sort();
        sizes.sections = sections.into_iter().map(|(_, name, size)| (name, size)).collect();
        Ok(sizes)
    }

    /// Compares with the budget of `chip` in the file; the answer lists what is exceeded.
    pub(crate) fn excesses(&self, budgets: &Path, chip: &str) -> Result<Vec<String>> {
        let text =
            fs::read_to_string(budgets).with_context(|| format!("{} cannot be read", budgets.display()))?;
        let budgets: BTreeMap<String, Budget> =
            toml::from_str(&text).context("the size budget is malformed")?;
        let budget = budgets.get(chip).with_context(|| format!("the size budget says nothing of {chip}"))?;
        Ok(self.compare(budget))
    }

    fn compare(&self, budget: &Budget) -> Vec<String> {
        let most =
            [("app image", self.app, budget.app_max), ("static RAM", self.static_ram, budget.static_ram_max)]
                .into_iter()
                .filter(|(_, actual, limit)| actual > limit)
                .map(|(what, actual, limit)| {
                    format!("{what}: {} bytes, at most {} allowed", grouped(actual), grouped(limit))
                });
        let least = [("heap", self.heap, budget.heap_min), ("stack", self.stack, budget.stack_min)]
            .into_iter()
            .filter(|(_, actual, limit)| actual < limit)
            .map(|(what, actual, limit)| {
                format!("{what}: {} bytes, at least {} wanted", grouped(actual), grouped(limit))
            });
        most.chain(least).collect()
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, size) in &self.sections {
            writeln!(formatter, "    {name:<22} {:>9}", grouped(*size))?;
        }
        for (name, size) in [
            ("app image", self.app),
            ("static RAM", self.static_ram),
            ("heap", self.heap),
            ("stack", self.stack),
        ] {
            writeln!(formatter, "  {name:<24} {:>9} bytes", grouped(size))?;
        }
        Ok(())
    }
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"].map(str::to_owned)
        );
    }

    #[test]
    fn a_budget_is_kept_at_its_limit_and_broken_one_byte_beyond() {
        let budget = Budget { app_max: 10, static_ram_max: 10, heap_min: 10, stack_min: 10 };
        let at_limit = Sizes { app: 10, static_ram: 10, heap: 10, stack: 10, sections: Vec::new() };
        assert!(at_limit.compare(&budget).is_empty());
        let beyond = Sizes { app: 11, static_ram: 11, heap: 9, stack: 9, sections: Vec::new() };
        assert_eq!(beyond.compare(&budget).len(), 4);
    }

    #[test]
    fn an_unknown_key_in_the_budget_is_refused() {
        assert!(
            toml::from_str::<Budget>("app_max=1\nstatic_ram_max=1\nheap_min=1\nstack_min=1\nrom=1").is_err()
        );
    }
}
