// The scheduler's view of the calling thread.
#include <cerrno>
#include <cstdint>
#include <sys/syscall.h>
#include <unistd.h>

#include "descriptors.h"
#include "functions.h"

namespace culvert {

namespace {

// struct sched_attr of linux/sched/types.h, its first version; glibc has neither the structure nor the calls.
struct Attributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};
static_assert(sizeof(Attributes) == 48);

constexpr uint32_t kOther = 0;  // SCHED_OTHER
constexpr int kSelf = 0;

bool Read(Attributes* attributes) { return syscall(SYS_sched_getattr, kSelf, attributes, sizeof *attributes, 0) == 0; }

}  // namespace

// setTimeSlice(nanoseconds): how long the calling thread runs at a time when others want the processor too. Returns 1 if the
//   scheduler took it, 0 if it knows none (before Linux 6.12) or the thread has another policy, else -errno.
napi_value SetTimeSlice(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int64_t nanoseconds = args.Integer(0, "nanoseconds", 100'000, 100'000'000);
  if (!args.ok()) return nullptr;
  Attributes attributes = {};
  if (!Read(&attributes)) return Number(env, -errno);
  if (attributes.policy != kOther) return Number(env, 0);
  attributes.size = sizeof attributes;
  attributes.runtime = static_cast<uint64_t>(nanoseconds);
  if (syscall(SYS_sched_setattr, kSelf, &attributes, 0) != 0) return Number(env, -errno);
  // Older kernels take the call and forget the figure.
  if (!Read(&attributes)) return Number(env, -errno);
  return Number(env, attributes.runtime == static_cast<uint64_t>(nanoseconds) ? 1 : 0);
}

}  // namespace culvert
