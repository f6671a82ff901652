#include "bpf_syscall.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace tartan {
namespace {

constexpr size_t kInstructionBytes = 8;
// Before Linux 5.2 the verifier took no larger log: kernel/bpf/verifier.c, bpf_check(), UINT_MAX >> 8.
constexpr size_t kLogMax = 16 * 1024 * 1024 - 1;
constexpr size_t kLogFirst = 256 * 1024;

uint64_t Pointer(const void* pointer) { return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(pointer)); }

int Bpf(bpf_cmd command, bpf_attr* attr) {
  long result = syscall(__NR_bpf, command, attr, sizeof *attr);
  return result == -1 ? -errno : static_cast<int>(result);
}

bpf_attr Zeroed() {
  bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  return attr;
}

void CopyName(char (&to)[BPF_OBJ_NAME_LEN], const std::string& name) {
  memcpy(to, name.data(), std::min(name.size(), sizeof to - 1));
}

// Before Linux 5.11 maps and programs count against RLIMIT_MEMLOCK, which is 64 KiB for most services.
bool RaiseMemlock() {
  const rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
  return setrlimit(RLIMIT_MEMLOCK, &limit) == 0;
}

int BpfWithMemory(bpf_cmd command, bpf_attr* attr) {
  int result = Bpf(command, attr);
  if (result == -EPERM && RaiseMemlock()) result = Bpf(command, attr);
  return result;
}

}  // namespace

int CreateMap(const MapSpec& spec) {
  bpf_attr attr = Zeroed();
  attr.map_type = spec.type;
  attr.key_size = spec.key_bytes;
  attr.value_size = spec.value_bytes;
  attr.max_entries = spec.entries_max;
  attr.map_flags = spec.flags;
  CopyName(attr.map_name, spec.name);
  return BpfWithMemory(BPF_MAP_CREATE, &attr);
}

int LoadProgram(const ProgramSpec& spec, std::string* log) {
  bpf_attr attr = Zeroed();
  attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
  attr.insns = Pointer(spec.instructions);
  attr.insn_cnt = static_cast<uint32_t>(spec.instruction_bytes / kInstructionBytes);
  attr.license = Pointer(spec.license.c_str());
  CopyName(attr.prog_name, spec.name);
  int result = BpfWithMemory(BPF_PROG_LOAD, &attr);
  // A second time for the log: asking for it makes every load slower, and a log that does not fit fails with ENOSPC.
  for (size_t bytes = kLogFirst; result < 0 && result != -EPERM; bytes *= 8) {
    std::string buffer(std::min(bytes, kLogMax), '\0');
    attr.log_level = 1;
    attr.log_buf = Pointer(buffer.data());
    attr.log_size = static_cast<uint32_t>(buffer.size());
    result = Bpf(BPF_PROG_LOAD, &attr);
    log->assign(buffer.c_str());
    if (result != -ENOSPC || bytes >= kLogMax) break;
  }
  return result;
}

int ProgramById(uint32_t id) {
  bpf_attr attr = Zeroed();
  attr.prog_id = id;
  return Bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

int MapById(uint32_t id) {
  bpf_attr attr = Zeroed();
  attr.map_id = id;
  return Bpf(BPF_MAP_GET_FD_BY_ID, &attr);
}

int ProgramMaps(int program, std::vector<uint32_t>* ids) {
  ids->assign(64, 0);
  bpf_prog_info details;
  memset(&details, 0, sizeof details);
  details.nr_map_ids = static_cast<uint32_t>(ids->size());
  details.map_ids = Pointer(ids->data());
  bpf_attr attr = Zeroed();
  attr.info.bpf_fd = static_cast<uint32_t>(program);
  attr.info.info_len = sizeof details;
  attr.info.info = Pointer(&details);
  int result = Bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
  if (result < 0) return result;
  ids->resize(std::min<size_t>(ids->size(), details.nr_map_ids));
  return 0;
}

int DescribeMap(int map, MapSpec* spec) {
  bpf_map_info details;
  memset(&details, 0, sizeof details);
  bpf_attr attr = Zeroed();
  attr.info.bpf_fd = static_cast<uint32_t>(map);
  attr.info.info_len = sizeof details;
  attr.info.info = Pointer(&details);
  int result = Bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
  if (result < 0) return result;
  details.name[sizeof details.name - 1] = '\0';
  *spec = {details.type, details.key_size, details.value_size, details.max_entries, details.map_flags, details.name};
  return 0;
}

int UpdateElement(int map, const void* key, const void* value) {
  bpf_attr attr = Zeroed();
  attr.map_fd = static_cast<uint32_t>(map);
  attr.key = Pointer(key);
  attr.value = Pointer(value);
  attr.flags = BPF_ANY;
  return Bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

int DeleteElement(int map, const void* key) {
  bpf_attr attr = Zeroed();
  attr.map_fd = static_cast<uint32_t>(map);
  attr.key = Pointer(key);
  return Bpf(BPF_MAP_DELETE_ELEM, &attr);
}

int LookUpElement(int map, const void* key, void* value) {
  bpf_attr attr = Zeroed();
  attr.map_fd = static_cast<uint32_t>(map);
  attr.key = Pointer(key);
  attr.value = Pointer(value);
  return Bpf(BPF_MAP_LOOKUP_ELEM, &attr);
}

int NextKey(int map, const void* key, void* next) {
  bpf_attr attr = Zeroed();
  attr.map_fd = static_cast<uint32_t>(map);
  attr.key = Pointer(key);
  attr.next_key = Pointer(next);
  return Bpf(BPF_MAP_GET_NEXT_KEY, &attr);
}

}  // namespace tartan
