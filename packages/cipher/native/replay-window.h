// The replay window of src/replay-window.ts, in the same memory: | highest | size | ring of 2 ** n words ... |
#pragma once

#include "batch.h"

namespace culvert {

class ReplayWindow {
 public:
  explicit ReplayWindow(Span<uint32_t> state) : state_(state.data), words_(state.size < kRing ? 0 : state.size - kRing) {}

  bool IsValid() const {
    return words_ >= 2 && (words_ & (words_ - 1)) == 0 && state_[kSize] > 0 && state_[kSize] <= (words_ - 1) * 32;
  }

  // True exactly once for an id inside the window.
  bool Accept(uint32_t id) {
    const uint32_t highest = state_[kHighest];
    if (id == 0 || static_cast<uint64_t>(id) + state_[kSize] <= highest) return false;
    const uint32_t word = id / 32;
    if (id > highest) Advance(highest / 32, word, id);
    uint32_t& seen = state_[kRing + (word & (words_ - 1))];
    const uint32_t bit = 1u << (id & 31);
    if ((seen & bit) != 0) return false;
    seen |= bit;
    return true;
  }

 private:
  static constexpr size_t kHighest = 0, kSize = 1, kRing = 2;

  void Advance(uint32_t top, uint32_t word, uint32_t id) {
    const size_t steps = word - top < words_ ? word - top : words_;
    for (size_t i = 1; i <= steps; i++) state_[kRing + ((top + i) & (words_ - 1))] = 0;
    state_[kHighest] = id;
  }

  uint32_t* state_;
  size_t words_;
};

}  // namespace culvert
