// What the kernel knows of a path's MTU. Only a connected socket can be asked, and ours are connected to nobody, so each question has a
// socket of its own, which sends nothing.
#include <sys/socket.h>

#include "descriptors.h"
#include "functions.h"
#include "path-record.h"

namespace culvert {

namespace {

/** Paths of raw IP have port 0. Which port it is does not matter to the route. */
constexpr uint16_t kAnyPort = 9;

/** By the device that the path names, or else by the one that `fd` is bound to. */
void ByDevice(int asking, int fd, const PathRecord& path) {
  int device = static_cast<int>(path.interface());
  socklen_t length = sizeof device;
  if (device == 0 && getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device, &length) != 0) return;
  if (device != 0) setsockopt(asking, SOL_SOCKET, SO_BINDTOIFINDEX, &device, sizeof device);
}

/** Bytes, or -errno. */
int Ask(int asking, int version, const PathRecord& path) {
  SocketAddress address;
  if (path.namesLocal()) {
    const socklen_t length = path.Fill(&address, version, kLocal, 0);
    if (bind(asking, &address.any, length) != 0) return -errno;
  }
  const socklen_t length = path.Fill(&address, version, kRemote, path.port() == 0 ? kAnyPort : path.port());
  if (connect(asking, &address.any, length) != 0) return -errno;
  int bytes = 0;
  socklen_t size = sizeof bytes;
  const int level = version == 6 ? IPPROTO_IPV6 : IPPROTO_IP;
  return getsockopt(asking, level, version == 6 ? IPV6_MTU : IP_MTU, &bytes, &size) == 0 ? bytes : -errno;
}

}  // namespace

// pathMtu(fd, version, path: Uint32Array): the longest IP packet that leaves in one piece by this path, or -errno.
napi_value PathMtu(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  const int version = static_cast<int>(args.Integer(1, "version", 4, 6));
  const Span<uint32_t> path = args.Words(2, "path");
  if (args.ok() && path.size < kPathWords) args.WrongRange("path");
  if (!args.ok()) return nullptr;
  const int asking = socket(version == 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (asking < 0) return Number(env, -errno);
  const PathRecord record(path.data);
  ByDevice(asking, fd, record);
  const int answer = Ask(asking, version, record);
  close(asking);
  return Number(env, answer);
}

}  // namespace culvert
