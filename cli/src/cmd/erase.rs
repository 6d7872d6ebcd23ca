//! `obkmq erase`: a board's flash made blank, but for what would make it useless.

use std::ops::Range;

use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::flash::consent::Consent;
use crate::flash::options::{DangerOption, LoaderOptions};
use crate::flash::{ERASE_UNIT, Loader};
use crate::interrupt;

/// Erase a board's flash, whole or in part
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq erase --port /dev/ttyUSB0
  obkmq erase --board bk7231n --range 0x1d3000+0x2d000

Of a BK7231 the calibration of the radio always stays, and of a BK7231T the boot loader. Save what is there first: obkmq \
backup.")]
pub(crate) struct Erase {
    /// Only this part, in whole sectors of 0x1000 bytes
    #[arg(long, value_name = "OFFSET+BYTES", value_parser = range)]
    range: Option<Range<u32>>,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    danger: DangerOption,
    #[command(flatten)]
    loader: LoaderOptions,
}

impl Erase {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            port: &'a str,
            chip: String,
            erased: Vec<[u32; 2]>,
        }
        let (path, mut loader) = self.loader.connect(None, self.danger.risk_dead_board, context)?;
        let ranges = self.ranges(loader.as_ref());
        let asked = ranges.and_then(|ranges| {
            let bytes: usize = ranges.iter().map(Range::len).sum();
            let loss = format!("{bytes} bytes of flash on {path} will be erased");
            self.consent.ask(&loss, context).map(|()| ranges)
        });
        let ranges = match asked {
            Ok(ranges) => ranges,
            Err(failure) => {
                // Nothing was done to the board, so it goes on as before.
                let _ = loader.start_firmware(context);
                return Err(failure.into());
            }
        };
        interrupt::arm(
            "The board is erased in part, and may not start.",
            "run the same command again, or write a firmware: obkmq flash",
        );
        for range in &ranges {
            loader.erase(range, context)?;
        }
        let chip = loader.model().name();
        loader.start_firmware(context)?;
        if context.json {
            let erased = ranges.iter().map(|range| [range.start, range.end]).collect();
            return context.out_json("erase", Line { port: &path, chip, erased });
        }
        for Range { start, end } in ranges {
            context.out(format_args!("{chip}: erased 0x{start:06x}..0x{end:06x}"))?;
        }
        Ok(())
    }

    /// What was asked for, or everything that is not kept.
    fn ranges(&self, loader: &dyn Loader) -> Result<Vec<Range<u32>>, Failure> {
        let end = loader.flash_bytes();
        if let Some(range) = &self.range {
            if range.end > end {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("0x{:x} lies behind the end of the flash.", range.end),
                    format!("the chip has 0x{end:x} bytes; nothing was erased"),
                    "name a range inside it",
                ));
            }
            return Ok(vec![range.clone()]);
        }
        let mut start = 0;
        let mut ranges = Vec::new();
        for (_, kept) in loader.kept().into_iter().chain([("", end..end)]) {
            if start < kept.start {
                ranges.push(start..kept.start);
            }
            start = kept.end;
        }
        Ok(ranges)
    }
}

/// `0x1d3000+0x2d000`, also in decimal.
fn range(text: &str) -> Result<Range<u32>, String> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let (offset, bytes) =
        text.split_once('+').ok_or("write it as OFFSET+BYTES, for example 0x11000+0x1000")?;
    let offset = number(offset).ok_or_else(|| format!("`{offset}` is no number"))?;
    let bytes = number(bytes).ok_or_else(|| format!("`{bytes}` is no number"))?;
    let end = offset.checked_add(bytes).filter(|_| bytes > 0).ok_or("there is no such range")?;
    if offset % ERASE_UNIT != 0 || bytes % ERASE_UNIT != 0 {
        return Err(format!("both have to be multiples of 0x{ERASE_UNIT:x}: flash is erased in sectors"));
    }
    Ok(offset..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_whole_sectors() {
        assert_eq!(range("0x11000+0x2000"), Ok(0x1_1000..0x1_3000));
        assert_eq!(range("4096+4096"), Ok(0x1000..0x2000));
        for bad in ["", "0x1000", "0x1000+0", "0x1001+0x1000", "0x1000+1", "0xfffff000+0x2000", "a+b", "-1+1"]
        {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
