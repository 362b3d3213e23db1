// What lies between ESP and an IP packet: the headers of UDP, L2TP and PPP, as a pattern. See src/esp/framing.ts, which makes it.
#pragma once

#include <cstring>

#include "batch.h"
#include "bytes.h"
#include "layout.h"

namespace culvert {

class EspFraming {
 public:
  // | header length 1 | offset of the protocol byte 1 | length fields 1 | offset, where it counts from: 2 a field | header | mask |
  explicit EspFraming(Span<uint8_t> form) : form_(form.data), valid_(IsForm(form)) {}

  bool IsValid() const { return valid_; }
  size_t Size() const { return form_[kHeaderLength]; }

  // PPP's protocol of an IP packet; 0: it is none.
  static uint8_t ProtocolOf(const uint8_t* packet, size_t size) {
    if (size >= kIpv4 && packet[0] >> 4 == 4) return kPppIpv4;
    return size >= kIpv6 && packet[0] >> 4 == 6 ? kPppIpv6 : 0;
  }

  // Writes the headers of a packet of `size` bytes that lies right behind them.
  void Write(uint8_t* at, size_t size, uint8_t protocol) const {
    memcpy(at, Header(), Size());
    for (size_t i = 0; i < form_[kFields]; i++) PutU16(at + FieldAt(i), static_cast<uint16_t>(Size() + size - FieldFrom(i)));
    at[form_[kProtocol]] = protocol;
  }

  // Whether a payload has these headers, and a whole IP packet behind them.
  bool Matches(const uint8_t* payload, size_t length) const {
    if (length <= Size() + kIpv4) return false;
    uint8_t differs = 0;
    for (size_t i = 0; i < Size(); i++) differs |= static_cast<uint8_t>((payload[i] ^ Header()[i]) & Header()[Size() + i]);
    if (differs != 0) return false;
    for (size_t i = 0; i < form_[kFields]; i++)
      if (TakeU16(payload + FieldAt(i)) != length - FieldFrom(i)) return false;
    const uint8_t* packet = payload + Size();
    const size_t size = length - Size();
    const uint8_t protocol = ProtocolOf(packet, size);
    if (protocol == 0 || payload[form_[kProtocol]] != protocol) return false;
    if (protocol == kPppIpv6) return kIpv6 + TakeU16(packet + 4) <= size;
    const size_t header = size_t{4} * (packet[0] & 15), total = TakeU16(packet + 2);
    return header >= kIpv4 && total >= header && total <= size;
  }

 private:
  static constexpr size_t kHeaderLength = 0, kProtocol = 1, kFields = 2, kFieldList = 3;
  static constexpr uint8_t kPppIpv4 = 0x21, kPppIpv6 = 0x57;

  static bool IsForm(Span<uint8_t> form) {
    if (form.size < kFieldList) return false;
    const size_t size = form.data[kHeaderLength], fields = form.data[kFields];
    if (size == 0 || form.data[kProtocol] >= size || form.size != kFieldList + 2 * fields + 2 * size) return false;
    for (size_t i = 0; i < fields; i++)
      if (form.data[kFieldList + 2 * i] + size_t{2} > size || form.data[kFieldList + 2 * i + 1] > size) return false;
    return true;
  }

  size_t FieldAt(size_t i) const { return form_[kFieldList + 2 * i]; }
  size_t FieldFrom(size_t i) const { return form_[kFieldList + 2 * i + 1]; }
  const uint8_t* Header() const { return form_ + kFieldList + 2 * size_t{form_[kFields]}; }

  const uint8_t* form_;
  bool valid_;
};

}  // namespace culvert
