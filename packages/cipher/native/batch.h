// Typed arrays with their bounds, and whole batches of them. The memory is lent for the length of a call.
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>

namespace culvert {

template <typename T>
struct Span {
  T* data = nullptr;
  size_t size = 0;
};

// The five fields of a PacketBatch that native code touches.
struct Batch {
  Span<uint8_t> arena;
  Span<uint32_t> offsets;
  Span<uint32_t> lengths;
  Span<uint32_t> tags;

  // Slots that every array has; a caller's `count` beyond it is a mistake.
  size_t Slots() const {
    size_t slots = offsets.size;
    if (lengths.size < slots) slots = lengths.size;
    if (tags.size < slots) slots = tags.size;
    return slots;
  }

  // Whether packet `at` lies in the arena, with `headroom` bytes before it.
  bool Holds(size_t at, size_t headroom) const {
    const size_t offset = offsets.data[at];
    const size_t length = lengths.data[at];
    return offset >= headroom && offset <= arena.size && length <= arena.size - offset && length <= INT_MAX;
  }
};

// The slots and bytes of a destination that are in use.
struct Cursor {
  size_t count = 0;
  size_t used = 0;

  void Append(const Batch& dst, size_t size, uint32_t length, uint32_t tag) {
    dst.offsets.data[count] = static_cast<uint32_t>(used);
    dst.lengths.data[count] = length;
    dst.tags.data[count] = tag;
    count++;
    used += size;
  }
  bool Fits(const Batch& dst, size_t size) const { return count < dst.Slots() && size <= dst.arena.size - used; }
};

}  // namespace culvert
