// Numbers in network order, at any address.
#pragma once

#include <cstdint>
#include <cstring>

namespace culvert {

inline void PutU16(uint8_t* at, uint16_t value) {
  value = __builtin_bswap16(value);
  memcpy(at, &value, sizeof(value));
}
inline void PutU32(uint8_t* at, uint32_t value) {
  value = __builtin_bswap32(value);
  memcpy(at, &value, sizeof(value));
}
inline uint16_t TakeU16(const uint8_t* at) {
  uint16_t value;
  memcpy(&value, at, sizeof(value));
  return __builtin_bswap16(value);
}
inline uint32_t TakeU32(const uint8_t* at) {
  uint32_t value;
  memcpy(&value, at, sizeof(value));
  return __builtin_bswap32(value);
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the supported machines are little-endian");

}  // namespace culvert
