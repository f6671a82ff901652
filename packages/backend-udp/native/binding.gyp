{
  'targets': [
    {
      'target_name': 'tartan_udp',
      'sources': [
        'src/addon.cc', 'src/checksum.cc', 'src/coalescer.cc', 'src/datagram_batch.cc', 'src/icmp_error.cc', 'src/packet.cc',
        'src/packet_loop.cc', 'src/receive_buffer.cc', 'src/route_table.cc', 'src/segmenter.cc', 'src/tun.cc', 'src/udp_socket.cc',
        'src/worker.cc',
      ],
      'defines': ['NAPI_VERSION=9', '_GNU_SOURCE'],
      'cflags_cc': ['-std=c++17', '-O3', '-fno-exceptions', '-fno-rtti', '-Wall', '-Wextra', '-Wno-missing-field-initializers', '-fvisibility=hidden'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20', '-std=gnu++14'],
    },
  ],
}
