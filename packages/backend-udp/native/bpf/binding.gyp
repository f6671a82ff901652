{
  'targets': [
    {
      'target_name': 'tartan_udp_bpf',
      'sources': ['src/addon.cc', 'src/bpf_syscall.cc', 'src/route_request.cc'],
      'defines': ['NAPI_VERSION=9', '_GNU_SOURCE'],
      'cflags_cc': ['-std=c++17', '-fno-exceptions', '-fno-rtti', '-Wall', '-Wextra', '-Wno-missing-field-initializers', '-fvisibility=hidden'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20', '-std=gnu++14'],
    },
  ],
}
