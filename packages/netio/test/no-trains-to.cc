// A kernel for tests: loaded before libc's, its sendmmsg(2) refuses trains (UDP_SEGMENT) to 127.0.0.2 with the error that
// REFUSE_TRAINS names, as the kernel does where IPsec is in the way of one peer alone.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>

namespace {

constexpr int kUdpSegment = 103;

bool IsRefused(msghdr* message) {
  const auto* to = static_cast<sockaddr_in*>(message->msg_name);
  if (to == nullptr || to->sin_family != AF_INET || to->sin_addr.s_addr != inet_addr("127.0.0.2")) return false;
  for (cmsghdr* c = CMSG_FIRSTHDR(message); c != nullptr; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == kUdpSegment) return true;
  }
  return false;
}

}  // namespace

extern "C" int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  using Send = int (*)(int, mmsghdr*, unsigned, int);
  static const auto send = reinterpret_cast<Send>(dlsym(RTLD_NEXT, "sendmmsg"));
  unsigned good = 0;
  while (good < count && !IsRefused(&messages[good].msg_hdr)) good++;
  if (good > 0) return send(fd, messages, good, flags);
  errno = atoi(getenv("REFUSE_TRAINS"));
  return -1;
}
