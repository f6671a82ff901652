// bpf(2) in the few forms that the kernel path needs. Knows nothing of Node. Results are a descriptor (close-on-exec) or 0, or a
// negative errno.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tartan {

struct MapSpec {
  uint32_t type;
  uint32_t key_bytes;
  uint32_t value_bytes;
  uint32_t entries_max;
  uint32_t flags;
  std::string name;
};

int CreateMap(const MapSpec& spec);

struct ProgramSpec {
  const uint8_t* instructions;
  size_t instruction_bytes;
  std::string license;
  std::string name;
};

// A program for tc (BPF_PROG_TYPE_SCHED_CLS). When the kernel refuses it, `log` is the verifier's whole log.
int LoadProgram(const ProgramSpec& spec, std::string* log);

int ProgramById(uint32_t id);
int MapById(uint32_t id);

// Ids of the maps that a program uses.
int ProgramMaps(int program, std::vector<uint32_t>* ids);

// The spec of a map that exists.
int DescribeMap(int map, MapSpec* spec);

int UpdateElement(int map, const void* key, const void* value);
int DeleteElement(int map, const void* key);
int LookUpElement(int map, const void* key, void* value);
// The key after `key`, or the first one for nullptr; -ENOENT after the last.
int NextKey(int map, const void* key, void* next);

}  // namespace tartan
