// Whether a socket sends trains with UDP_SEGMENT, and to whom it should not: kept in words that JavaScript owns.
//
//   0      1 while the socket sends trains, else 0
//   1      errno of why it does so no more, or 0
//   2..    what is too large: (hash of the remote, bytes of a segment, second when that is forgotten), 64 times
#ifndef CULVERT_NETIO_SEGMENTATION_H_
#define CULVERT_NETIO_SEGMENTATION_H_

#include <ctime>

#include "arguments.h"
#include "path-record.h"

namespace culvert {

class Segmentation {
 public:
  static constexpr size_t kEntries = 64;
  static constexpr size_t kWords = 2 + 3 * kEntries;

  /** Without words: off. */
  explicit Segmentation(Span<uint32_t> words) : words_(words) {}

  bool on() const { return words_.size >= kWords && Load(&words_.data[0]) == 1; }

  void SwitchOff(int error) {
    words_.data[0] = 0;
    words_.data[1] = static_cast<uint32_t>(error);
  }

  /** The kernel refused segments of this size and above: single datagrams, which it may cut into fragments, are for the next seconds. */
  void Remember(const PathRecord& path, size_t segment) {
    const uint32_t hash = Hash(path);
    uint32_t* entry = Entry(hash);
    const bool smaller = Load(&entry[0]) == hash && Load(&entry[1]) < segment && Load(&entry[2]) > Now();
    if (!smaller) entry[1] = static_cast<uint32_t>(segment);
    entry[0] = hash;
    entry[2] = Now() + kSeconds;
  }

  bool IsTooLarge(const PathRecord& path, size_t segment) const {
    const uint32_t hash = Hash(path);
    const uint32_t* entry = Entry(hash);
    return Load(&entry[2]) != 0 && Load(&entry[0]) == hash && segment >= Load(&entry[1]) && Now() < Load(&entry[2]);
  }

 private:
  /** The kernel forgets a learnt path MTU after ten minutes; to ask again sooner costs one refused call. */
  static constexpr uint32_t kSeconds = 10;

  static uint32_t Now() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<uint32_t>(now.tv_sec) + 1;
  }

  /** The path MTU belongs to the remote address. A collision costs speed and nothing else. */
  static uint32_t Hash(const PathRecord& path) {
    uint32_t hash = 0;
    for (size_t i = 0; i < 4; i++) hash = (hash ^ path.words[kRemote + i]) * 0x9e37'79b1u;
    return hash ^ hash >> 15;
  }

  uint32_t* Entry(uint32_t hash) const { return words_.data + 2 + 3 * (hash % kEntries); }

  Span<uint32_t> words_;
};

}  // namespace culvert

#endif  // CULVERT_NETIO_SEGMENTATION_H_
