// The descriptor of /dev/net/tun and its ioctls (Linux, Documentation/networking/tuntap.rst).
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <cstring>

#include "descriptors.h"
#include "functions.h"

namespace culvert {

namespace {

int64_t Result(int returned) { return returned < 0 ? -errno : 0; }

/** Sends an ioctl whose argument is the number in argument 1. */
napi_value NumberIoctl(napi_env env, napi_callback_info info, unsigned long request, bool byPointer) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  int value = static_cast<int>(args.Integer(1, "value", 0, INT32_MAX));
  if (!args.ok()) return nullptr;
  const int returned = byPointer ? ioctl(fd, request, &value) : ioctl(fd, request, static_cast<unsigned long>(value));
  return Number(env, Result(returned));
}

}  // namespace

napi_value OpenClone(napi_env env, napi_callback_info) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return Number(env, -errno);
  Descriptors::Of(env).Adopt(fd);
  return Number(env, fd);
}

/** Takes over a descriptor that somebody else opened, once it answers as a TUN descriptor does. */
napi_value Adopt(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = static_cast<int>(args.Integer(0, "fd", 0, INT32_MAX));
  if (!args.ok()) return nullptr;
  if (Descriptors::Of(env).Has(fd)) return Number(env, -EBUSY);
  unsigned int features = 0;
  if (ioctl(fd, TUNGETFEATURES, &features) < 0) return Number(env, -errno);
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return Number(env, -errno);
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return Number(env, -errno);
  Descriptors::Of(env).Adopt(fd);
  return Number(env, 0);
}

napi_value Release(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  if (args.ok()) Descriptors::Of(env).Release(fd);
  return nullptr;
}

napi_value Attach(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  ifreq request = {};
  const int fd = OwnDescriptor(args, 0);
  args.Text(1, "name", request.ifr_name, sizeof request.ifr_name);
  request.ifr_flags = static_cast<int16_t>(args.Integer(2, "flags", 0, UINT16_MAX));
  if (!args.ok()) return nullptr;
  return Number(env, Result(ioctl(fd, TUNSETIFF, &request)));
}

napi_value NameOf(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  if (!args.ok()) return nullptr;
  ifreq request = {};
  if (ioctl(fd, TUNGETIFF, &request) < 0) return Number(env, -errno);
  request.ifr_name[sizeof request.ifr_name - 1] = '\0';
  return String(env, request.ifr_name);
}

napi_value FlagsOf(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  if (!args.ok()) return nullptr;
  ifreq request = {};
  if (ioctl(fd, TUNGETIFF, &request) < 0) return Number(env, -errno);
  return Number(env, static_cast<uint16_t>(request.ifr_flags));
}

napi_value SetPersist(napi_env env, napi_callback_info info) { return NumberIoctl(env, info, TUNSETPERSIST, false); }

napi_value SetOffload(napi_env env, napi_callback_info info) { return NumberIoctl(env, info, TUNSETOFFLOAD, false); }

napi_value SetHeaderSize(napi_env env, napi_callback_info info) {
  return NumberIoctl(env, info, TUNSETVNETHDRSZ, true);
}

}  // namespace culvert
