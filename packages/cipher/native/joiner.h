// Appends packets to a batch and joins those that follow each other in a flow to trains, as the kernel's GRO does
// (net/ipv4/tcp_offload.c tcp_gro_receive, udp_offload.c udp_gro_receive_segment, af_inet.c inet_gro_receive).
//
// A packet is written into the room that the joiner names, and then committed or abandoned. The room is chosen so that the
// packet, when it continues the newest train, has its payload where that train ends, and its headers over the train's last
// bytes, which are put back. So a train grows without a copy. A train may have arena reserved behind it, so that several
// grow at once; the reservation of the last one is taken back when the arena runs out.
#pragma once

#include "batch.h"
#include "layout.h"
#include "virtio.h"

namespace culvert {

// Bits of `Join` in src/trains.ts.
constexpr uint32_t kJoinTcp4 = 1, kJoinTcp6 = 2, kJoinUdp4 = 4, kJoinUdp6 = 8;

// What a call did, besides its batches.
struct JoinCounts {
  uint32_t packets = 0;
  uint32_t bytes = 0;
  uint32_t joined = 0;
  uint32_t foreign = 0;
};

class Joiner {
 public:
  // `headroom` is kVirtio for a virtio batch and else 0, which joins nothing. `remaining` is an upper bound of the bytes to
  // come in this call, `headroom` for each packet included: no train is given more room than that, and that much stays free.
  Joiner(const Batch& dst, Cursor cursor, size_t headroom, uint32_t join, size_t remaining);

  // So many bytes of what remained are the next packet's, or nobody's.
  void Pass(size_t bytes) { remaining_ -= bytes < remaining_ ? bytes : remaining_; }
  // Where to write a packet of up to `size` bytes, of `size` > 0; null when it might not fit.
  uint8_t* Room(size_t size);
  // The packet is there, and it is `size` bytes long, as was asked.
  void Commit(size_t size, uint32_t tag);
  // What is there is not to be kept. Wipes it.
  void Abandon(size_t size);
  // Completes all trains. The joiner is of no use afterwards.
  Cursor Finish();

  const JoinCounts& counts() const { return counts_; }

 private:
  static constexpr size_t kMaxTrains = 8;  // chosen: flows that grow at once
  static constexpr size_t kMaxBytes = 0xffff;
  static constexpr uint32_t kMaxUdpSegments = 64;  // UDP_GRO_CNT_MAX
  static constexpr int kNone = -1;

  // Places in the arena are offsets.
  struct Train {
    size_t start;
    size_t end;
    size_t limit;  // it may grow up to here
    size_t slot;
    Layout layout;
    size_t gso_size;
    uint32_t segments;
    uint32_t next_seq;
    bool fixed_id;
    uint32_t stamp;  // when it was last used
  };

  bool PlaceFor(size_t size, size_t* at) const;
  size_t Take(size_t size);
  void PreferRoomBehindNewest(size_t size);
  void RestoreOverlap();
  void Emit(size_t size, uint32_t tag, uint8_t flags);

  bool IsCandidate(const uint8_t* packet, const Layout& layout, size_t size) const;
  int FindTrain(const uint8_t* packet, const Layout& layout) const;
  bool IsSameFlow(const Train& train, const uint8_t* packet, const Layout& layout) const;
  bool Continues(const Train& train, const uint8_t* packet, const Layout& layout, size_t size) const;
  void Append(int index, const uint8_t* packet, const Layout& layout, size_t size);
  void OpenTrain(const Layout& layout, size_t size);
  void Close(int index);
  void CloseAll();
  void Complete(const Train& train);
  int Oldest() const;

  Batch dst_;
  size_t count_;
  size_t top_;  // end of all that is placed or reserved
  size_t headroom_;
  uint32_t join_;
  size_t remaining_;
  uint32_t stamp_ = 0;

  Train trains_[kMaxTrains];
  int open_ = 0;
  int newest_ = kNone;  // grew last
  int owner_ = kNone;   // its reservation ends at top_

  size_t room_ = 0;
  size_t overlap_ = 0;  // bytes of the newest train under the room, and where they lie
  size_t overlap_at_ = 0;
  uint8_t saved_[kMaxHeaders];
  JoinCounts counts_;
};

}  // namespace culvert
