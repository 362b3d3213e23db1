// A path as ten 32-bit words, the same that src/path.ts reads and writes:
//
//   0..3   remote address, in network order (IPv4 in the first four bytes, the rest zero)
//   4..7   local address, likewise; all zero: the kernel chooses
//   8      remote port, a number
//   9      IP version (4 or 6) in the upper four bits; below it the interface index, 0 for any
#ifndef CULVERT_PATH_RECORD_H_
#define CULVERT_PATH_RECORD_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>

#include "arguments.h"

namespace culvert {

constexpr size_t kPathWords = 10;
constexpr size_t kRemote = 0;
constexpr size_t kLocal = 4;
constexpr size_t kPort = 8;
constexpr size_t kInterface = 9;
constexpr uint32_t kInterfaceMask = 0x0fffffff;

/** Room for IPV6_PKTINFO or IP_PKTINFO, the bytes of a segment, and what later options add (traffic class). */
constexpr size_t kControlBytes = 96;

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

/** Every word loaded once: another thread may write to shared memory. */
struct PathRecord {
  uint32_t words[kPathWords];

  PathRecord() = default;
  explicit PathRecord(const uint32_t* from) {
    for (size_t i = 0; i < kPathWords; i++) words[i] = Load(&from[i]);
  }
  uint32_t interface() const { return words[kInterface] & kInterfaceMask; }
  uint16_t port() const { return static_cast<uint16_t>(words[kPort]); }
  bool Equals(const uint32_t* other) const {
    for (size_t i = 0; i < kPathWords; i++) {
      if (Load(&other[i]) != words[i]) return false;
    }
    return true;
  }
  bool namesLocal() const { return (words[4] | words[5] | words[6] | words[7]) != 0; }

  /** Writes the address at word `at` (kRemote, kLocal) with this port. Returns its length. */
  socklen_t Fill(SocketAddress* address, int version, size_t at, uint16_t port) const {
    if (version == 6) {
      address->v6 = {};
      address->v6.sin6_family = AF_INET6;
      address->v6.sin6_port = htons(port);
      address->v6.sin6_scope_id = interface();
      memcpy(&address->v6.sin6_addr, words + at, 16);
      return sizeof address->v6;
    }
    address->v4 = {};
    address->v4.sin_family = AF_INET;
    address->v4.sin_port = htons(port);
    memcpy(&address->v4.sin_addr, words + at, 4);
    return sizeof address->v4;
  }
};

}  // namespace culvert

#endif  // CULVERT_PATH_RECORD_H_
