// MPPE (RFC 3078) over whole batches, stateless.
//
//   sealed: | room for the carrier | ff 03 unless ACFC | 00 unless PFC | fd | 1001 + count 12 bits | RC4(protocol 2, packet ...) |
#pragma once

#include "mppe-key.h"
#include "openvpn-batch.h"

namespace culvert {

// How a link frames what it sends.
struct MppeFraming {
  size_t headroom = 0;  // bytes before the frame, zeros, for the carrier's header
  bool acfc = false;
  bool pfc = false;

  size_t Clear() const { return headroom + (acfc ? 0 : 2) + (pfc ? 1 : 2) + 2; }
  size_t Overhead() const { return Clear() + 2; }
};

// The words of MppeReport in src/mppe/report.ts.
struct MppeReport {
  uint32_t accepted, unencrypted, late, garbled, missing, packets, bytes, joined;
};
constexpr size_t kMppeReportWords = sizeof(MppeReport) / sizeof(uint32_t);

// Chosen: how far ahead of the last packet one may be, as Linux has it; a packet further ahead is an old one.
constexpr uint32_t kMppeMaxAhead = kMppeCounts / 2;
// Chosen: key changes that a call spends at most, beyond these for each packet. Nothing but its count tells a forged packet, and
// each change costs half a microsecond.
constexpr uint32_t kMppeSparePerPacket = 8;

// Chosen: packets that one call of mppeSkip goes past, some 30 ms.
constexpr uint32_t kMppeMostSkipped = 65536;

// Each returns the index of the first packet of src that was not consumed, or a negative number; the caller has checked that
// the call is valid and the key not closed.
int32_t SealMppe(MppeKey* key, const MppeFraming& framing, Call* call);
int32_t SealMppeTrains(MppeKey* key, const MppeFraming& framing, Call* call);
// `headroom` and `join` are the joiner's.
int32_t OpenMppeTrain(MppeKey* key, Call* call, size_t headroom, uint32_t join, MppeReport* report);

}  // namespace culvert
