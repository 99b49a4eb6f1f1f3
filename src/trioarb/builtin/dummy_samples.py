"""The sample symbols of the dummy source and market: made-up prices, volumes and rules of an afternoon of 2024."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from trioarb.api import Listing, TradingRules

__all__ = ["SAMPLES", "SAMPLE_OF", "Sample", "krw_symbols", "money_symbols"]


@attrs.frozen
class Sample:
    """A sample symbol: where its price starts, its rules, and how lively it is beside the others."""

    base: str
    quote: str
    volume_24h: int | None
    price: str
    tick: str
    lot: str
    min_notional: str
    volatility: float
    basis: float

    @property
    def symbol(self) -> str:
        return self.base + self.quote

    @property
    def listing(self) -> Listing:
        volume = None if self.volume_24h is None else Decimal(self.volume_24h)
        return Listing(symbol=self.symbol, base=self.base, quote=self.quote, volume_24h_quote=volume)

    @property
    def rules(self) -> TradingRules:
        return TradingRules(
            tick_size=Decimal(self.tick), lot_size=Decimal(self.lot), min_notional=Decimal(self.min_notional)
        )


# In no order of volume, as a venue would list them; those that came later are traded less than those before them.
_IN_OTHERS = (
    Sample("ADA", "USDT", 310_000_000, "0.4512", "0.0001", "0.1", "5", 1.3, 1.05),
    Sample("APT", "USDT", 84_000_000, "8.315", "0.001", "0.01", "5", 1.6, 1.1),
    Sample("ATOM", "USDT", 62_000_000, "6.284", "0.001", "0.01", "5", 1.4, 1.1),
    Sample("AVAX", "USDT", 265_000_000, "31.42", "0.01", "0.01", "5", 1.5, 1.05),
    Sample("BCH", "USDT", 118_000_000, "432.1", "0.1", "0.001", "5", 1.3, 1.05),
    Sample("BNB", "BTC", 310, "0.009046", "0.000001", "0.001", "0.0001", 0.8, 1.0),
    Sample("BNB", "USDT", 1_450_000_000, "588.1", "0.1", "0.001", "5", 0.9, 0.95),
    Sample("BTC", "EUR", 92_000_000, "60185.12", "0.01", "0.00001", "5", 0.8, 0.95),
    Sample("BTC", "KRW", 412_000_000_000, "90280000", "1000", "0.00001", "5000", 0.8, 1.0),
    Sample("BTC", "USDT", 18_200_000_000, "65012.35", "0.01", "0.00001", "5", 0.8, 0.9),
    Sample("BUSD", "USDT", 6_100_000_000, "1.0001", "0.0001", "1", "5", 0.04, 0.1),
    Sample("DOGE", "USDT", 640_000_000, "0.12431", "0.00001", "1", "5", 1.6, 1.1),
    Sample("DOT", "USDT", 173_000_000, "6.118", "0.001", "0.01", "5", 1.3, 1.05),
    Sample("ETC", "USDT", 88_000_000, "23.17", "0.01", "0.01", "5", 1.3, 1.05),
    Sample("ETH", "BTC", 4_900, "0.05214", "0.00001", "0.0001", "0.0001", 0.7, 0.95),
    Sample("ETH", "EUR", 41_000_000, "3138.54", "0.01", "0.0001", "5", 1.0, 0.95),
    Sample("ETH", "USDT", 9_700_000_000, "3390.21", "0.01", "0.0001", "5", 1.0, 0.95),
    Sample("FIL", "USDT", 71_000_000, "4.386", "0.001", "0.01", "5", 1.5, 1.1),
    Sample("LINK", "USDT", 152_000_000, "13.894", "0.001", "0.01", "5", 1.3, 1.05),
    Sample("LTC", "USDT", 228_000_000, "73.42", "0.01", "0.001", "5", 1.1, 1.0),
    Sample("MATIC", "USDT", 281_000_000, "0.5633", "0.0001", "0.1", "5", 1.4, 1.05),
    Sample("NEAR", "USDT", 97_000_000, "5.217", "0.001", "0.1", "5", 1.7, 1.1),
    Sample("PEPE", "USDT", None, "0.00001153", "0.00000001", "1", "5", 2.2, 1.2),
    Sample("SHIB", "USDT", 134_000_000, "0.00001744", "0.00000001", "1", "5", 1.6, 1.1),
    Sample("SOL", "USDT", 1_180_000_000, "146.27", "0.01", "0.001", "5", 1.4, 1.0),
    Sample("TRX", "USDT", 109_000_000, "0.12518", "0.00001", "0.1", "5", 0.7, 1.0),
    Sample("UNI", "USDT", 76_000_000, "9.241", "0.001", "0.01", "10", 1.6, 1.1),
    Sample("USDC", "USDT", 3_400_000_000, "0.9998", "0.0001", "1", "5", 0.03, 0.1),
    Sample("XRP", "USDT", 910_000_000, "0.4871", "0.0001", "0.1", "10", 1.3, 1.0),
    Sample("ICP", "USDT", 58_400_000, "8.942", "0.001", "0.01", "5", 1.2, 1.15),
    Sample("HBAR", "USDT", 55_100_000, "0.07612", "0.00001", "1", "5", 2.1, 1.1),
    Sample("VET", "USDT", 52_700_000, "0.02481", "0.000001", "1", "5", 1.6, 1.05),
    Sample("ALGO", "USDT", 50_900_000, "0.1423", "0.00001", "1", "5", 1.7, 1.15),
    Sample("OP", "USDT", 49_600_000, "1.732", "0.0001", "0.1", "5", 2.2, 1.1),
    Sample("ARB", "USDT", 48_300_000, "0.7218", "0.0001", "0.1", "5", 1.6, 1.2),
    Sample("INJ", "USDT", 47_100_000, "22.46", "0.001", "0.01", "5", 1.4, 1.1),
    Sample("SUI", "USDT", 46_200_000, "0.9134", "0.0001", "0.1", "5", 1.4, 1.2),
    Sample("SEI", "USDT", 44_800_000, "0.3627", "0.0001", "0.1", "5", 1.6, 1.1),
    Sample("TIA", "USDT", 43_900_000, "6.143", "0.001", "0.01", "5", 1.5, 1.2),
    Sample("RUNE", "USDT", 42_600_000, "3.874", "0.001", "0.1", "5", 2.3, 1.2),
    Sample("GRT", "USDT", 41_300_000, "0.1784", "0.00001", "1", "5", 1.3, 1.0),
    Sample("AAVE", "USDT", 40_500_000, "96.42", "0.01", "0.001", "5", 1.2, 1.05),
    Sample("MKR", "USDT", 39_400_000, "2412", "0.1", "0.0001", "5", 1.5, 1.1),
    Sample("LDO", "USDT", 38_700_000, "1.634", "0.0001", "0.1", "5", 1.9, 1.0),
    Sample("CRV", "USDT", 37_900_000, "0.2913", "0.00001", "0.1", "5", 1.3, 1.1),
    Sample("SNX", "USDT", 36_800_000, "1.947", "0.0001", "0.1", "5", 1.3, 1.1),
    Sample("COMP", "USDT", 36_100_000, "48.61", "0.01", "0.01", "5", 1.3, 1.1),
    Sample("STX", "USDT", 35_400_000, "1.572", "0.0001", "0.1", "5", 2.3, 1.1),
    Sample("IMX", "USDT", 34_600_000, "1.468", "0.0001", "0.1", "5", 1.3, 1.1),
    Sample("SAND", "USDT", 33_800_000, "0.3214", "0.00001", "0.1", "5", 2.2, 1.0),
    Sample("MANA", "USDT", 33_100_000, "0.3326", "0.00001", "0.1", "5", 1.6, 1.05),
    Sample("AXS", "USDT", 32_300_000, "5.713", "0.001", "0.01", "5", 1.3, 1.0),
    Sample("GALA", "USDT", 31_700_000, "0.02317", "0.000001", "1", "5", 1.7, 1.05),
    Sample("ENJ", "USDT", 31_000_000, "0.1628", "0.00001", "1", "5", 1.8, 1.1),
    Sample("CHZ", "USDT", 30_400_000, "0.06914", "0.00001", "1", "5", 1.8, 1.05),
    Sample("FLOW", "USDT", 29_800_000, "0.6127", "0.0001", "0.1", "5", 1.7, 1.1),
    Sample("EGLD", "USDT", 29_200_000, "31.86", "0.001", "0.01", "5", 2.0, 1.2),
    Sample("XTZ", "USDT", 28_600_000, "0.7431", "0.0001", "0.1", "5", 2.1, 1.0),
    Sample("EOS", "USDT", 28_100_000, "0.5614", "0.0001", "0.1", "5", 1.4, 1.0),
    Sample("KAVA", "USDT", 27_500_000, "0.4127", "0.0001", "0.1", "5", 2.3, 1.05),
    Sample("ZEC", "USDT", 27_000_000, "21.84", "0.001", "0.01", "5", 1.3, 1.1),
    Sample("DASH", "USDT", 26_500_000, "25.37", "0.001", "0.01", "5", 1.6, 1.1),
    Sample("XLM", "USDT", 26_000_000, "0.09217", "0.00001", "1", "5", 1.8, 1.0),
    Sample("NEO", "USDT", 25_500_000, "11.26", "0.001", "0.01", "5", 1.4, 1.1),
    Sample("IOTA", "USDT", 25_000_000, "0.1614", "0.00001", "1", "5", 1.2, 1.05),
    Sample("QTUM", "USDT", 24_600_000, "2.713", "0.0001", "0.1", "5", 2.3, 1.0),
    Sample("ZIL", "USDT", 24_100_000, "0.01672", "0.000001", "1", "5", 2.1, 1.2),
    Sample("ONT", "USDT", 23_700_000, "0.2143", "0.00001", "0.1", "5", 1.6, 1.15),
    Sample("BAT", "USDT", 23_300_000, "0.1826", "0.00001", "1", "5", 1.4, 1.15),
    Sample("ENS", "USDT", 22_900_000, "24.71", "0.001", "0.01", "5", 2.1, 1.05),
    Sample("DYDX", "USDT", 22_500_000, "1.382", "0.0001", "0.1", "5", 2.0, 1.15),
    Sample("GMX", "USDT", 22_100_000, "27.94", "0.001", "0.01", "5", 1.5, 1.0),
    Sample("PENDLE", "USDT", 21_700_000, "4.618", "0.001", "0.01", "5", 1.9, 1.0),
    Sample("JUP", "USDT", 21_300_000, "0.8213", "0.0001", "0.1", "5", 2.1, 1.05),
    Sample("PYTH", "USDT", 21_000_000, "0.3417", "0.0001", "0.1", "5", 2.2, 1.0),
    Sample("WIF", "USDT", 20_600_000, "1.846", "0.0001", "0.1", "5", 1.8, 1.1),
    Sample("BONK", "USDT", 20_300_000, "0.00002143", "0.000000001", "1", "5", 1.9, 1.1),
    Sample("FLOKI", "USDT", 19_900_000, "0.00015127", "0.00000001", "1", "5", 2.1, 1.05),
    Sample("ORDI", "USDT", 19_600_000, "37.62", "0.01", "0.01", "5", 1.7, 1.15),
    Sample("WLD", "USDT", 19_300_000, "2.314", "0.0001", "0.1", "5", 2.2, 1.0),
    Sample("FET", "USDT", 19_000_000, "1.283", "0.0001", "0.1", "5", 1.6, 1.05),
    Sample("RNDR", "USDT", 18_700_000, "6.914", "0.001", "0.01", "5", 2.0, 1.2),
    Sample("AR", "USDT", 18_400_000, "26.18", "0.001", "0.01", "5", 2.1, 1.15),
    Sample("THETA", "USDT", 18_100_000, "1.462", "0.0001", "0.1", "5", 1.2, 1.15),
    Sample("FTM", "USDT", 17_800_000, "0.5127", "0.0001", "0.1", "5", 2.2, 1.0),
    Sample("ROSE", "USDT", 17_500_000, "0.08413", "0.00001", "1", "5", 2.3, 1.2),
    Sample("MINA", "USDT", 17_200_000, "0.5318", "0.0001", "0.1", "5", 1.7, 1.1),
    Sample("KSM", "USDT", 17_000_000, "23.41", "0.001", "0.01", "5", 1.4, 1.2),
    Sample("CELO", "USDT", 16_700_000, "0.6142", "0.0001", "0.1", "5", 1.2, 1.2),
    Sample("ONE", "USDT", 16_500_000, "0.01384", "0.000001", "1", "5", 2.1, 1.05),
    Sample("ANKR", "USDT", 16_200_000, "0.02716", "0.000001", "1", "5", 1.6, 1.1),
    Sample("SKL", "USDT", 16_000_000, "0.04318", "0.00001", "1", "5", 1.4, 1.05),
    Sample("STORJ", "USDT", 15_700_000, "0.4126", "0.0001", "0.1", "5", 1.6, 1.0),
    Sample("BAND", "USDT", 15_500_000, "1.214", "0.0001", "0.1", "5", 2.2, 1.05),
    Sample("OCEAN", "USDT", 15_300_000, "0.5917", "0.0001", "0.1", "5", 1.2, 1.0),
    Sample("LRC", "USDT", 15_100_000, "0.1843", "0.00001", "1", "5", 1.7, 1.0),
    Sample("ZRX", "USDT", 14_800_000, "0.3716", "0.0001", "0.1", "5", 1.9, 1.15),
    Sample("YFI", "USDT", 14_600_000, "6214", "1", "0.0001", "5", 1.3, 1.0),
    Sample("SUSHI", "USDT", 14_400_000, "0.8127", "0.0001", "0.1", "5", 1.4, 1.05),
    Sample("1INCH", "USDT", 14_200_000, "0.3614", "0.0001", "0.1", "5", 1.4, 1.0),
    Sample("BAL", "USDT", 14_000_000, "2.418", "0.0001", "0.1", "5", 2.2, 1.0),
    Sample("UMA", "USDT", 13_800_000, "2.186", "0.0001", "0.1", "5", 2.3, 1.0),
    Sample("KNC", "USDT", 13_600_000, "0.5243", "0.0001", "0.1", "5", 2.2, 1.2),
    Sample("REN", "USDT", 13_400_000, "0.04917", "0.00001", "1", "5", 2.0, 1.0),
    Sample("CVX", "USDT", 13_200_000, "2.317", "0.0001", "0.1", "5", 1.2, 1.05),
    Sample("FXS", "USDT", 13_000_000, "2.814", "0.0001", "0.1", "5", 1.4, 1.2),
    Sample("RPL", "USDT", 12_900_000, "18.42", "0.001", "0.01", "5", 2.0, 1.1),
    Sample("SSV", "USDT", 12_700_000, "31.27", "0.001", "0.01", "5", 2.0, 1.05),
    Sample("BLUR", "USDT", 12_500_000, "0.1914", "0.00001", "1", "5", 1.7, 1.15),
    Sample("MAGIC", "USDT", 12_300_000, "0.4127", "0.0001", "0.1", "5", 1.5, 1.05),
    Sample("APE", "USDT", 12_200_000, "0.8614", "0.0001", "0.1", "5", 2.3, 1.15),
    Sample("GMT", "USDT", 12_000_000, "0.1627", "0.00001", "1", "5", 1.8, 1.0),
    Sample("JASMY", "USDT", 11_900_000, "0.02814", "0.000001", "1", "5", 1.4, 1.15),
    Sample("ACH", "USDT", 11_700_000, "0.01943", "0.000001", "1", "5", 1.2, 1.1),
    Sample("CKB", "USDT", 11_600_000, "0.01216", "0.000001", "1", "5", 1.7, 1.05),
    Sample("HOT", "USDT", 11_400_000, "0.001843", "0.0000001", "1", "5", 1.2, 1.05),
    Sample("IOST", "USDT", 11_300_000, "0.006127", "0.000001", "1", "5", 2.1, 1.1),
    Sample("RVN", "USDT", 11_100_000, "0.02014", "0.000001", "1", "5", 1.8, 1.2),
    Sample("SC", "USDT", 11_000_000, "0.004812", "0.000001", "1", "5", 1.4, 1.15),
    Sample("DGB", "USDT", 10_900_000, "0.007614", "0.000001", "1", "5", 1.9, 1.0),
    Sample("LUNC", "USDT", 10_700_000, "0.00008214", "0.00000001", "1", "5", 1.2, 1.05),
    Sample("WAVES", "USDT", 10_600_000, "1.127", "0.0001", "0.1", "5", 1.7, 1.05),
    Sample("ICX", "USDT", 10_500_000, "0.1463", "0.00001", "1", "5", 2.1, 1.0),
    Sample("GLM", "USDT", 10_400_000, "0.3614", "0.0001", "0.1", "5", 2.3, 1.15),
    Sample("TWT", "USDT", 10_300_000, "1.018", "0.0001", "0.1", "5", 1.9, 1.0),
)

#: Quoted in KRW, in steps of a Korean venue of 2025; each has a walk of its own unless `premium_bps` is set.
_IN_KRW = (
    Sample("USDT", "KRW", 310_000_000_000, "1388.6", "0.1", "0.01", "5000", 0.12, 0.1),
    Sample("ETH", "KRW", 205_000_000_000, "4708000", "1000", "0.0001", "5000", 1.0, 1.0),
    Sample("XRP", "KRW", 388_000_000_000, "676", "1", "0.1", "5000", 1.3, 1.0),
    Sample("SOL", "KRW", 96_000_000_000, "203100", "100", "0.001", "5000", 1.4, 1.0),
    Sample("DOGE", "KRW", 74_000_000_000, "172.6", "0.1", "1", "5000", 1.6, 1.1),
)
SAMPLES = (*_IN_OTHERS, *_IN_KRW)

SAMPLE_OF: Mapping[str, Sample] = {sample.symbol: sample for sample in SAMPLES}


def krw_symbols(sample: Sample) -> tuple[Sample, Sample] | None:
    """Return the symbols of a sample's base in USDT, and of USDT in KRW; ``None``: it isn't quoted in KRW by those."""
    base, money = SAMPLE_OF.get(f"{sample.base}USDT"), SAMPLE_OF.get("USDTKRW")
    return None if base is None or money is None or sample.quote != "KRW" else (base, money)


def money_symbols(sample: Sample) -> tuple[Sample, Sample] | None:
    """Return the symbols of a sample's base and of its quote asset in USDT; ``None``: there aren't both."""
    base, quote = SAMPLE_OF.get(f"{sample.base}USDT"), SAMPLE_OF.get(f"{sample.quote}USDT")
    return None if base is None or quote is None else (base, quote)
