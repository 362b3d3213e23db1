#include "esp-batch.h"

#include <cstring>

namespace culvert {
namespace {

constexpr uint8_t kNoNextHeader = 59;

// The length of the payload before right padding; -1: the padding is wrong (RFC 4303, section 2.4).
ptrdiff_t PayloadLength(const uint8_t* plain, size_t size) {
  const size_t padding = plain[size - 2];
  if (padding + kEspTrailer > size) return -1;
  const size_t length = size - kEspTrailer - padding;
  for (size_t i = 0; i < padding; i++)
    if (plain[length + i] != i + 1) return -1;
  return static_cast<ptrdiff_t>(length);
}

// The protocol number of an IP packet in another; 0: it is none.
uint8_t InnerProtocol(const uint8_t* packet, size_t size) {
  if (size >= kIpv4 && packet[0] >> 4 == 4) return 4;
  return size >= kIpv6 && packet[0] >> 4 == 6 ? 41 : 0;
}

}  // namespace

uint32_t* OpenEspPacket(EspKey* key, const EspWindow& window, const uint8_t* packet, size_t size, uint32_t next_header,
                        uint8_t* plain, EspReport* report, OpenedEsp* opened) {
  *opened = {};
  if (TakeU32(packet) != key->spi) return &report->failed;
  const uint64_t sequence = window.SequenceOf(TakeU32(packet + 4));
  if (!window.IsFresh(sequence)) return &report->replayed;
  if (!key->Open(sequence, packet, size, plain)) return &report->failed;
  opened->sequence = sequence;
  const ptrdiff_t found = PayloadLength(plain, size);
  if (found < 0) return &report->padding;
  if (plain[size - 1] == kNoNextHeader) return &report->dummy;
  const uint32_t wanted = next_header == kEspInnerIp ? InnerProtocol(plain, static_cast<size_t>(found)) : next_header;
  if (plain[size - 1] != wanted || (wanted == 0 && next_header == kEspInnerIp)) return &report->next_header;
  opened->length = static_cast<size_t>(found);
  return &report->accepted;
}

int32_t SealEsp(EspKey* key, Call* call, uint64_t sequence, uint32_t next_header) {
  size_t at = call->first;
  for (; at < call->last; at++) {
    const size_t length = call->src.lengths.data[at];
    if (length == 0) continue;
    if (!call->src.Holds(at, 0)) return kOutOfBounds;
    const size_t size = key->Head() + key->Padded(length) + key->Icv();
    if (!call->cursor.Fits(call->dst, size)) break;
    const uint8_t* payload = call->src.arena.data + call->src.offsets.data[at];
    const uint32_t header = next_header == kEspInnerIp ? InnerProtocol(payload, length) : next_header;
    if (header == 0 && next_header == kEspInnerIp) {
      call->skipped.malformed++;
      continue;
    }
    uint8_t* packet = call->dst.arena.data + call->cursor.used;
    memcpy(packet + key->Head(), payload, length);
    if (!key->Seal(sequence++, static_cast<uint8_t>(header), length, packet)) return kCipherFailed;
    call->cursor.Append(call->dst, size, static_cast<uint32_t>(size), call->src.tags.data[at]);
  }
  return static_cast<int32_t>(at);
}

int32_t OpenEsp(EspKey* key, Call* call, EspWindow window, uint32_t next_header, EspReport* report) {
  if (!key->CanOpen()) return kCipherFailed;
  const size_t overhead = key->Head() + key->Icv();
  // Windows are marked on the way, so no mistake may come up after the first packet.
  for (size_t at = call->first; at < call->last; at++)
    if (!call->src.Holds(at, 0)) return kOutOfBounds;
  size_t at = call->first;
  for (; at < call->last; at++) {
    const size_t whole = call->src.lengths.data[at];
    const size_t size = whole < overhead ? 0 : whole - overhead;
    if (!call->cursor.Fits(call->dst, size)) break;
    if (size < key->Block() || size % key->Block() != 0) {
      report->malformed++;
      continue;
    }
    uint8_t* plain = call->dst.arena.data + call->cursor.used;
    const uint8_t* packet = call->src.arena.data + call->src.offsets.data[at];
    OpenedEsp opened;
    uint32_t* word = OpenEspPacket(key, window, packet, size, next_header, plain, report, &opened);
    if (opened.sequence != 0) window.Mark(opened.sequence);
    (*word)++;
    const size_t length = opened.length;
    memset(plain + length, 0, size - length);  // neither a trailer nor what was dropped is left to be read
    if (word != &report->accepted) continue;
    report->bytes += static_cast<uint32_t>(length);
    call->cursor.Append(call->dst, length, static_cast<uint32_t>(length), call->src.tags.data[at]);
  }
  return static_cast<int32_t>(at);
}

}  // namespace culvert
