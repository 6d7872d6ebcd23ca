//! Where random numbers come from: the chip's generator, which needs noise.
//!
//! The radio is a source of noise while it runs. Where it does not, the analog converter has to be one; esp-hal knows how on
//! most chips.

use esp_hal::peripherals::{ADC1, RNG};
use esp_hal::rng::Rng;

/// Keeps the source of noise running.
pub(crate) struct Noise {
    #[cfg(not(any(feature = "esp32c5", feature = "esp32c61")))]
    _source: Option<esp_hal::rng::TrngSource<'static>>,
}

impl Noise {
    /// The generator, with a source of noise; `None` if there is none.
    pub(crate) fn new(
        has_radio: bool,
        generator: RNG<'static>,
        converter: ADC1<'static>,
    ) -> Option<(Rng, Self)> {
        #[cfg(not(any(feature = "esp32c5", feature = "esp32c61")))]
        {
            use esp_hal::rng::{Trng, TrngSource};
            let source = (!has_radio).then(|| TrngSource::new(generator, converter));
            let random = Trng::try_new().ok()?.downgrade();
            Some((random, Self { _source: source }))
        }
        #[cfg(any(feature = "esp32c5", feature = "esp32c61"))]
        {
            let _ = (generator, converter);
            has_radio.then(|| (Rng::new(), Self {}))
        }
    }
}
