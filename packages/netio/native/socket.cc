// A UDP or raw IP socket of one family, and its options.
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "descriptors.h"
#include "functions.h"
#include "path-record.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace culvert {

namespace {

/** Of a steering program; what ours need is a few. */
constexpr size_t kMostInstructions = 64;

struct Wanted {
  int family;
  SocketAddress address;
  socklen_t addressLength;
  bool reusePort;
  bool raw;
  int pathMtu;
  char device[IFNAMSIZ];
};

bool Set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

bool SetIpv4(int fd, const Wanted& wanted) {
  return Set(fd, IPPROTO_IP, IP_PKTINFO, 1) &&
         (wanted.pathMtu < 0 || Set(fd, IPPROTO_IP, IP_MTU_DISCOVER, wanted.pathMtu));
}

bool SetIpv6(int fd, const Wanted& wanted) {
  // A raw socket takes no IPv4 anyway, and the kernel refuses to be told so.
  return (wanted.raw || Set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) && Set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
         (wanted.pathMtu < 0 || Set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, wanted.pathMtu));
}

bool Prepare(int fd, const Wanted& wanted) {
  if (wanted.reusePort && !Set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) return false;
  const socklen_t deviceLength = strlen(wanted.device);
  if (deviceLength > 0 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, wanted.device, deviceLength) != 0) return false;
  if (!(wanted.family == AF_INET6 ? SetIpv6(fd, wanted) : SetIpv4(fd, wanted))) return false;
  return bind(fd, &wanted.address.any, wanted.addressLength) == 0;
}

void FillAddress(Wanted* wanted, const uint32_t* words, uint32_t scope, uint16_t port) {
  wanted->address = {};
  if (wanted->family == AF_INET6) {
    wanted->address.v6.sin6_family = AF_INET6;
    wanted->address.v6.sin6_port = htons(port);
    wanted->address.v6.sin6_scope_id = scope;
    memcpy(&wanted->address.v6.sin6_addr, words, 16);
    wanted->addressLength = sizeof wanted->address.v6;
  } else {
    wanted->address.v4.sin_family = AF_INET;
    wanted->address.v4.sin_port = htons(port);
    memcpy(&wanted->address.v4.sin_addr, words, 4);
    wanted->addressLength = sizeof wanted->address.v4;
  }
}

/**
 * Where the kernel learns what an IPv4 path takes and cuts to it (IP_PMTUDISC_WANT), it gives DF to single datagrams alone: trains would be cut by
 * a router, which tells nobody. With IP_PMTUDISC_DO all have it, and what is too long is refused, for send.cc to send without.
 */
void LetTrainsLearn(int fd) {
  int mode = 0;
  socklen_t length = sizeof mode;
  if (getsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &mode, &length) != 0 || mode != IP_PMTUDISC_WANT) return;
  Set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
}

int FamilyOf(int64_t version) { return version == 6 ? AF_INET6 : AF_INET; }

/** The bound descriptor, or -errno. */
int Open(napi_env env, const Wanted& wanted, int type, int protocol) {
  const int fd = socket(wanted.family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) return -errno;
  if (!Prepare(fd, wanted)) {
    const int failed = -errno;
    close(fd);
    return failed;
  }
  Descriptors::Of(env).Adopt(fd);
  return fd;
}

}  // namespace

// openUdp(version, address: Uint32Array(5) as parseAddress fills it, port, reusePort: 0 | 1, pathMtu: IP_PMTUDISC_DONT, IP_PMTUDISC_WANT or -1,
//   device: name or ''): fd or -errno.
napi_value OpenUdp(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Wanted wanted = {};
  wanted.family = FamilyOf(args.Integer(0, "version", 4, 6));
  const Span<uint32_t> address = args.Words(1, "address");
  const uint16_t port = static_cast<uint16_t>(args.Integer(2, "port", 0, UINT16_MAX));
  wanted.reusePort = args.Integer(3, "reusePort", 0, 1) != 0;
  wanted.pathMtu = static_cast<int>(args.Integer(4, "pathMtu", -1, 1));
  args.Text(5, "device", wanted.device, sizeof wanted.device);
  if (args.ok() && address.size < 5) args.WrongRange("address");
  if (!args.ok()) return nullptr;
  FillAddress(&wanted, address.data, Load(&address.data[4]), port);
  return Number(env, Open(env, wanted, SOCK_DGRAM, IPPROTO_UDP));
}

// openRawIp(version, address: Uint32Array(5), protocol, pathMtu, device): fd or -errno.
napi_value OpenRawIp(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Wanted wanted = {};
  wanted.family = FamilyOf(args.Integer(0, "version", 4, 6));
  const Span<uint32_t> address = args.Words(1, "address");
  wanted.raw = true;
  const int protocol = static_cast<int>(args.Integer(2, "protocol", 1, 254));
  wanted.pathMtu = static_cast<int>(args.Integer(3, "pathMtu", -1, 1));
  args.Text(4, "device", wanted.device, sizeof wanted.device);
  if (args.ok() && address.size < 5) args.WrongRange("address");
  if (!args.ok()) return nullptr;
  // Port 0: others mean a protocol to IPv6 (raw(7)), and nothing to IPv4.
  FillAddress(&wanted, address.data, Load(&address.data[4]), 0);
  return Number(env, Open(env, wanted, SOCK_RAW, protocol));
}

// localOf(fd, words: Uint32Array(6)): words 0..3 the bound address, 4 its scope, 5 its port. 0 or -errno.
napi_value LocalOf(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  const Span<uint32_t> words = args.Words(1, "words");
  if (args.ok() && words.size < 6) args.WrongRange("words");
  if (!args.ok()) return nullptr;
  SocketAddress address = {};
  socklen_t length = sizeof address;
  if (getsockname(fd, &address.any, &length) != 0) return Number(env, -errno);
  memset(words.data, 0, 6 * sizeof(uint32_t));
  if (address.any.sa_family == AF_INET6) {
    memcpy(words.data, &address.v6.sin6_addr, 16);
    words.data[4] = address.v6.sin6_scope_id;
    words.data[5] = ntohs(address.v6.sin6_port);
  } else {
    memcpy(words.data, &address.v4.sin_addr, 4);
    words.data[5] = ntohs(address.v4.sin_port);
  }
  return Number(env, 0);
}

// Beyond net.core.rmem_max (wmem_max) where CAP_NET_ADMIN allows it, else up to there.
napi_value SetBuffer(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  const bool receive = args.Integer(1, "receive", 0, 1) != 0;
  const int bytes = static_cast<int>(args.Integer(2, "bytes", 1, INT32_MAX / 2));
  if (!args.ok()) return nullptr;
  if (Set(fd, SOL_SOCKET, receive ? SO_RCVBUFFORCE : SO_SNDBUFFORCE, bytes)) return Number(env, 0);
  return Number(env, Set(fd, SOL_SOCKET, receive ? SO_RCVBUF : SO_SNDBUF, bytes) ? 0 : -errno);
}

napi_value GetQueued(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  if (!args.ok()) return nullptr;
  uint32_t memory[SK_MEMINFO_VARS] = {};
  socklen_t length = sizeof memory;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &length) != 0) return Number(env, -errno);
  return Number(env, memory[SK_MEMINFO_RMEM_ALLOC]);
}

napi_value GetBuffer(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  const bool receive = args.Integer(1, "receive", 0, 1) != 0;
  if (!args.ok()) return nullptr;
  int bytes = 0;
  socklen_t length = sizeof bytes;
  if (getsockopt(fd, SOL_SOCKET, receive ? SO_RCVBUF : SO_SNDBUF, &bytes, &length) != 0) return Number(env, -errno);
  return Number(env, bytes);
}

// prepareTrains(fd): 0 if the kernel knows UDP_SEGMENT, else -errno.
napi_value PrepareTrains(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  if (!args.ok()) return nullptr;
  // 0 is what the socket has anyway: each message says for itself what it wants.
  if (!Set(fd, IPPROTO_UDP, UDP_SEGMENT, 0)) return Number(env, -errno);
  LetTrainsLearn(fd);
  return Number(env, 0);
}

// setCoalescing(fd, on: 0 | 1): whether the kernel may join datagrams of one size. 0 or -errno.
napi_value SetCoalescing(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  const int on = static_cast<int>(args.Integer(1, "on", 0, 1));
  if (!args.ok()) return nullptr;
  return Number(env, Set(fd, IPPROTO_UDP, UDP_GRO, on) ? 0 : -errno);
}

// setSteering(fd, program: Uint32Array): the classic BPF program that chooses a socket of the SO_REUSEPORT group by its index,
//   instructions of two words: code | jt << 16 | jf << 24, then k. 0 or -errno.
napi_value SetSteering(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  const Span<uint32_t> program = args.Words(1, "program");
  sock_filter filters[kMostInstructions];
  const size_t count = program.size / 2;
  if (args.ok() && (count == 0 || count > kMostInstructions || program.size % 2 != 0)) args.WrongRange("program");
  if (!args.ok()) return nullptr;
  for (size_t i = 0; i < count; i++) {
    const uint32_t word = Load(&program.data[2 * i]);
    filters[i].code = static_cast<uint16_t>(word);
    filters[i].jt = static_cast<uint8_t>(word >> 16);
    filters[i].jf = static_cast<uint8_t>(word >> 24);
    filters[i].k = Load(&program.data[2 * i + 1]);
  }
  const sock_fprog given = {static_cast<unsigned short>(count), filters};
  return Number(env, setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &given, sizeof given) == 0 ? 0 : -errno);
}

napi_value TakeError(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  if (!args.ok()) return nullptr;
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  return Number(env, error);
}

}  // namespace culvert
