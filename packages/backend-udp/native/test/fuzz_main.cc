// Drives the fuzz target where there is no libFuzzer: mutates packets of every shape and the seeds, the same way in every run. Arguments:
// the number of inputs, then files with seeds.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "check.h"
#include "packets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

using namespace tartan_test;

namespace {

void AppendRecord(Bytes* input, uint8_t kind, const Bytes& record) {
  input->push_back(kind);
  input->push_back(static_cast<uint8_t>(record.size() >> 8));
  input->push_back(static_cast<uint8_t>(record.size()));
  input->insert(input->end(), record.begin(), record.end());
}

Shape RandomShape(Random* random) {
  Shape shape;
  shape.version = random->OneIn(2) ? 4 : 6;
  shape.protocol = random->OneIn(2) ? 6 : 17;
  shape.tcp_options = random->Below(11) * 4;
  if (shape.version == 4 && random->OneIn(4)) shape.ip_options = random->Below(11) * 4;
  shape.payload = random->Below(random->OneIn(8) ? 4000 : 120);
  return shape;
}

Bytes RandomInput(Random* random) {
  Bytes input;
  Shape shape = RandomShape(random);
  for (uint32_t count = 1 + random->Below(6); count > 0; count--) {
    if (random->OneIn(3)) shape = RandomShape(random);
    Bytes packet = MakePacket(shape);
    shape.sequence += static_cast<uint32_t>(shape.payload);
    shape.identification++;
    if (random->OneIn(2)) {
      AppendRecord(&input, 1, packet);
      continue;
    }
    uint8_t types[] = {0, 1, 4, 5, 0x81};
    Bytes record = {1, types[random->Below(5)], 0, 0, static_cast<uint8_t>(1 + random->Below(200)), 0,
                    static_cast<uint8_t>(IpBytes(shape)), 0, static_cast<uint8_t>(shape.protocol == 6 ? 16 : 6), 0};
    record.insert(record.end(), packet.begin(), packet.end());
    AppendRecord(&input, 0, record);
  }
  return input;
}

Bytes ReadSeed(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "%s: cannot be read\n", path);
    std::exit(2);
  }
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

Bytes Mutated(Random* random, Bytes input) {
  for (uint32_t flips = random->Below(6); flips > 0; flips--) {
    size_t at = random->OneIn(2) ? random->Below(static_cast<uint32_t>(std::min<size_t>(input.size(), 80)))
                                 : random->Below(static_cast<uint32_t>(input.size()));
    uint8_t values[] = {0, 1, 0x7f, 0xff, static_cast<uint8_t>(random->Next())};
    input[at] = values[random->Below(5)];
  }
  if (random->OneIn(10)) input.resize(random->Below(static_cast<uint32_t>(input.size()) + 1));
  return input;
}

}  // namespace

int main(int count, char** arguments) {
  long inputs = count > 1 ? std::atol(arguments[1]) : 1000;
  std::vector<Bytes> seeds;
  for (int i = 2; i < count; i++) seeds.push_back(ReadSeed(arguments[i]));
  for (const Bytes& seed : seeds) LLVMFuzzerTestOneInput(seed.data(), seed.size());
  Random random;
  for (long i = 0; i < inputs; i++) {
    bool seeded = !seeds.empty() && random.OneIn(3);
    Bytes input = Mutated(&random, seeded ? seeds[random.Below(static_cast<uint32_t>(seeds.size()))] : RandomInput(&random));
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%ld inputs, %zu seeds\n", inputs, seeds.size());
  return 0;
}
