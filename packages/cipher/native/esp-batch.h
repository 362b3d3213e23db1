// ESP over whole batches.
#pragma once

#include "esp-framing.h"
#include "esp-key.h"
#include "esp-window.h"
#include "openvpn-batch.h"

namespace culvert {

// The words of EspReport in src/esp/report.ts.
struct EspReport {
  uint32_t accepted, failed, replayed, malformed, padding, next_header, dummy, bytes, packets, inner, joined, others;
};
constexpr size_t kEspReportWords = sizeof(EspReport) / sizeof(uint32_t);

// Each returns the index of the first packet of src that was not consumed, or a negative number; the caller has checked that
// the call is valid and the key not closed. `next_header` is a protocol number or kEspInnerIp.
int32_t SealEsp(EspKey* key, Call* call, uint64_t sequence, uint32_t next_header);
int32_t OpenEsp(EspKey* key, Call* call, EspWindow window, uint32_t next_header, EspReport* report);

// The same for IP packets behind headers of `framing`; src of the one and dst of the other may have virtio headers.
int32_t SealFramedEsp(EspKey* key, Call* call, bool virtio, uint64_t sequence, uint8_t next_header, const EspFraming& framing);
// Payloads with other headers are appended to `others`, whole. `headroom` and `join` are the joiner's.
int32_t OpenFramedEsp(EspKey* key, Call* call, const Batch& others, Cursor* others_cursor, EspWindow window, uint8_t next_header,
                      const EspFraming& framing, size_t headroom, uint32_t join, EspReport* report);

// What came of one packet.
struct OpenedEsp {
  uint64_t sequence = 0;  // to be marked in the window; 0: it is not authentic
  size_t length = 0;      // of the payload, where it is accepted
};

// Opens a packet with `size` bytes of ciphertext to `plain`, which takes that many. Returns the word of the report that counts it.
uint32_t* OpenEspPacket(EspKey* key, const EspWindow& window, const uint8_t* packet, size_t size, uint32_t next_header,
                        uint8_t* plain, EspReport* report, OpenedEsp* opened);

}  // namespace culvert
