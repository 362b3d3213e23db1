// Cuts a super-packet behind a virtio header into single, complete packets, as the kernel's GSO does (net/ipv4/tcp_offload.c
// tcp_gso_segment, udp_offload.c __udp_gso_segment, af_inet.c inet_gso_segment, ip6_offload.c ipv6_gso_segment).
//
// Headers are built where they will be read: right before the payload of each segment, over the payload of the one before it,
// which is put back. So each segment is one run of bytes and no payload moves; in the end the packet is as it was.
#pragma once

#include "batch.h"
#include "bytes.h"
#include "checksum.h"
#include "layout.h"
#include "virtio.h"

namespace culvert {

struct SegmentPlan {
  enum class What { kMalformed, kAsItIs, kComplete, kCut };
  What what = What::kMalformed;
  size_t size = 0;      // of the whole packet
  size_t segments = 1;  // packets that come out
  size_t bytes = 0;     // and their bytes, all together
  // kComplete
  size_t csum_start = 0;
  size_t csum_at = 0;
  // kCut
  size_t gso_size = 0;
  bool partial = false;  // the checksum field holds the pseudo-header's sum
  Layout layout;
};

// `packet` has its virtio header right before it.
SegmentPlan PlanSegments(const uint8_t* packet, size_t size);

// The headers of a train, and sums of what is the same in all of its segments.
class SegmentHeaders {
 public:
  SegmentHeaders(const uint8_t* packet, const SegmentPlan& plan);
  // Writes the headers of segment `index`, whose payload lies behind them.
  void Write(uint8_t* at, size_t index, size_t payload, size_t gso_size, bool last) const;

 private:
  void WriteTcp(uint8_t* upper, uint64_t sum, size_t index, size_t gso_size, bool last) const;

  Layout layout_;
  uint8_t bytes_[kMaxHeaders];
  uint16_t id_ = 0;
  uint32_t seq_ = 0;
  uint8_t flags_ = 0;
  uint64_t ip_sum_ = 0;
  uint64_t upper_sum_ = 0;
};

// Calls sink(packet, size) for each packet of the plan; stops and returns false when the sink does.
template <typename Sink>
bool Segment(const SegmentPlan& plan, uint8_t* packet, Sink sink) {
  if (plan.what == SegmentPlan::What::kAsItIs) return sink(packet, plan.size);
  if (plan.what == SegmentPlan::What::kComplete) {
    uint8_t partial[2];
    memcpy(partial, packet + plan.csum_at, sizeof(partial));
    uint16_t sum = static_cast<uint16_t>(~Fold(SumBytes(packet + plan.csum_start, plan.size - plan.csum_start)));
    if (sum == 0) sum = 0xffff;
    PutSum(packet + plan.csum_at, sum);
    const bool went_on = sink(packet, plan.size);
    memcpy(packet + plan.csum_at, partial, sizeof(partial));
    return went_on;
  }
  const size_t header = plan.layout.header;
  const SegmentHeaders headers(packet, plan);
  uint8_t saved[kMaxHeaders];
  bool went_on = true;
  for (size_t i = 0; i < plan.segments && went_on; i++) {
    uint8_t* at = packet + i * plan.gso_size;
    const bool last = i + 1 == plan.segments;
    const size_t payload = last ? plan.size - header - i * plan.gso_size : plan.gso_size;
    memcpy(saved, at, header);
    headers.Write(at, i, payload, plan.gso_size, last);
    went_on = sink(at, header + payload);
    memcpy(at, saved, header);
  }
  return went_on;
}

// What a call passed over.
struct Skipped {
  uint32_t malformed = 0;
  uint32_t oversized = 0;
};

}  // namespace culvert
