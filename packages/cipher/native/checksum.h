// The Internet checksum (RFC 1071). Sums are of 16-bit words as this machine loads them: the sum does not mind as long as
// all of its parts, and the field itself, are seen so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace culvert {

// The sum of `size` bytes, not folded. Parts add up when each of them but the last has an even size.
uint64_t SumBytes(const uint8_t* bytes, size_t size);

// A 16-bit number of the packet as the sum sees it.
inline uint64_t SumWord(uint16_t value) { return __builtin_bswap16(value); }

inline uint16_t Fold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

// Writes a folded sum, or its complement, as it lies in a packet.
inline void PutSum(uint8_t* at, uint16_t folded) { memcpy(at, &folded, sizeof(folded)); }
inline void PutChecksum(uint8_t* at, uint64_t sum) { PutSum(at, static_cast<uint16_t>(~Fold(sum))); }

}  // namespace culvert
