// MTU and up/down, which belong to the network interface and not to the descriptor: the interface's present name is asked
// first (it may have been renamed), and the request goes to the network namespace that this process is in.
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "descriptors.h"
#include "functions.h"

namespace culvert {

namespace {

/** A socket to send interface requests through, closed at the end of the block. */
class RequestSocket {
 public:
  RequestSocket() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~RequestSocket() {
    if (fd_ >= 0) close(fd_);
  }
  RequestSocket(const RequestSocket&) = delete;
  RequestSocket& operator=(const RequestSocket&) = delete;

  /** 0 or -errno. */
  int Send(unsigned long what, ifreq* request) const {
    if (fd_ < 0) return -EAFNOSUPPORT;
    return ioctl(fd_, what, request) < 0 ? -errno : 0;
  }

 private:
  int fd_;
};

/** A request that carries the device's name. 0 or -errno. */
int Named(int fd, ifreq* request) {
  *request = {};
  return ioctl(fd, TUNGETIFF, request) < 0 ? -errno : 0;
}

int ChangeUp(int fd, bool up) {
  ifreq request;
  if (const int failed = Named(fd, &request); failed != 0) return failed;
  const RequestSocket socket;
  if (const int failed = socket.Send(SIOCGIFFLAGS, &request); failed != 0) return failed;
  if (up) {
    request.ifr_flags |= IFF_UP;
  } else {
    request.ifr_flags &= ~IFF_UP;
  }
  return socket.Send(SIOCSIFFLAGS, &request);
}

}  // namespace

napi_value GetMtu(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  if (!args.ok()) return nullptr;
  ifreq request;
  int failed = Named(fd, &request);
  if (failed == 0) failed = RequestSocket().Send(SIOCGIFMTU, &request);
  return Number(env, failed != 0 ? failed : request.ifr_mtu);
}

napi_value SetMtu(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  const int mtu = static_cast<int>(args.Integer(1, "mtu", 0, INT32_MAX));
  if (!args.ok()) return nullptr;
  ifreq request;
  int failed = Named(fd, &request);
  request.ifr_mtu = mtu;
  if (failed == 0) failed = RequestSocket().Send(SIOCSIFMTU, &request);
  return Number(env, failed);
}

napi_value SetUp(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  const bool up = args.Integer(1, "up", 0, 1) != 0;
  if (!args.ok()) return nullptr;
  return Number(env, ChangeUp(fd, up));
}

}  // namespace culvert
