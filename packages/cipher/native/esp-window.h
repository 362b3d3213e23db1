// The replay window of src/esp/replay-window.ts, in the same memory: | low | high | size | ESN | ring of 2 ** n words ... |
#pragma once

#include "batch.h"

namespace culvert {

class EspWindow {
 public:
  explicit EspWindow(Span<uint32_t> state) : state_(state.data), words_(state.size < kRing ? 0 : state.size - kRing) {}

  bool IsValid(bool esn) const {
    return words_ >= 2 && (words_ & (words_ - 1)) == 0 && state_[kSize] > 0 && state_[kSize] <= (words_ - 1) * 32 &&
           (state_[kEsn] == 1) == esn;
  }

  uint64_t SequenceOf(uint32_t low) const {
    if (state_[kEsn] != 1) return low;
    const uint32_t top = state_[kLow], size = state_[kSize];
    uint64_t high = state_[kHigh];
    const uint32_t bottom = top - size + 1;  // modulo 2 ** 32
    if (top >= size - 1) {
      if (low < bottom) high++;
    } else if (low >= bottom && high > 0) {
      high--;
    }
    return high << 32 | low;
  }

  bool IsFresh(uint64_t sequence) const {
    const uint64_t highest = Highest();
    if (sequence == 0 || sequence + state_[kSize] <= highest) return false;
    return sequence > highest || (state_[SlotOf(sequence)] & BitOf(sequence)) == 0;
  }

  void Mark(uint64_t sequence) {
    if (sequence > Highest()) Advance(sequence);
    state_[SlotOf(sequence)] |= BitOf(sequence);
  }

 private:
  static constexpr size_t kLow = 0, kHigh = 1, kSize = 2, kEsn = 3, kRing = 4;

  uint64_t Highest() const { return static_cast<uint64_t>(state_[kHigh]) << 32 | state_[kLow]; }
  size_t SlotOf(uint64_t sequence) const { return kRing + (sequence / 32 & (words_ - 1)); }
  static uint32_t BitOf(uint64_t sequence) { return 1u << (sequence & 31); }

  void Advance(uint64_t sequence) {
    const uint64_t top = Highest() / 32, ahead = sequence / 32 - top;
    const uint64_t steps = ahead < words_ ? ahead : words_;
    for (uint64_t i = 1; i <= steps; i++) state_[kRing + ((top + i) & (words_ - 1))] = 0;
    state_[kLow] = static_cast<uint32_t>(sequence);
    state_[kHigh] = static_cast<uint32_t>(sequence >> 32);
  }

  uint32_t* state_;
  size_t words_;
};

}  // namespace culvert
