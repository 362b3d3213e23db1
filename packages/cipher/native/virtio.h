// The virtio_net_hdr before each packet of a virtio batch (linux/virtio_net.h), in this machine's byte order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace culvert {

struct VirtioHeader {
  uint8_t flags = 0;
  uint8_t gso_type = 0;
  uint16_t header_length = 0;  // a hint, which readers ignore
  uint16_t gso_size = 0;
  uint16_t csum_start = 0;
  uint16_t csum_offset = 0;
};

constexpr size_t kVirtio = 10;
static_assert(sizeof(VirtioHeader) == kVirtio, "as on the wire");

constexpr uint8_t kNeedsCsum = 1;
constexpr uint8_t kDataValid = 2;

constexpr uint8_t kGsoNone = 0;
constexpr uint8_t kGsoTcp4 = 1;
constexpr uint8_t kGsoTcp6 = 4;
constexpr uint8_t kGsoUdp = 5;
constexpr uint8_t kGsoEcn = 0x80;

inline VirtioHeader TakeVirtio(const uint8_t* at) {
  VirtioHeader header;
  memcpy(&header, at, kVirtio);
  return header;
}
inline void PutVirtio(uint8_t* at, const VirtioHeader& header) { memcpy(at, &header, kVirtio); }

}  // namespace culvert
