// Cuts the packets of a call's virtio batch, for the formats that seal what comes out.
#pragma once

#include "openvpn-batch.h"
#include "segmenter.h"

namespace culvert {

// Gives each packet of the call on to `sink(packet, size, tag)`, cut, each whole or not at all: for what comes out there is a
// slot of dst and `overhead` more bytes than its size. It says whether it could. Returns the index of the first that was not
// consumed, or a failure.
template <typename Sink>
int32_t CutAllPackets(Call* call, size_t overhead, Sink sink) {
  const Batch& src = call->src;
  size_t at = call->first;
  for (; at < call->last; at++) {
    const size_t length = src.lengths.data[at];
    if (length == 0) continue;
    if (!src.Holds(at, kVirtio)) return kOutOfBounds;
    uint8_t* packet = src.arena.data + src.offsets.data[at];
    const SegmentPlan plan = PlanSegments(packet, length);
    const size_t size = plan.bytes + plan.segments * overhead;
    if (plan.what == SegmentPlan::What::kMalformed) {
      call->skipped.malformed++;
    } else if (plan.segments > call->dst.Slots() || size > call->dst.arena.size) {
      call->skipped.oversized++;
    } else if (plan.segments > call->dst.Slots() - call->cursor.count || size > call->dst.arena.size - call->cursor.used) {
      break;
    } else {
      const uint32_t tag = src.tags.data[at];
      if (!Segment(plan, packet, [&](const uint8_t* one, size_t bytes) { return sink(one, bytes, tag); }))
        return kCipherFailed;
    }
  }
  return static_cast<int32_t>(at);
}

}  // namespace culvert
