{
  'targets': [
    {
      'target_name': 'tartan_netlink',
      'sources': ['src/addon.cc', 'src/socket.cc', 'src/netns.cc', 'src/sysctl.cc', 'src/features.cc', 'src/unix_datagram.cc', 'src/napi_util.cc'],
      'defines': ['NAPI_VERSION=8', '_GNU_SOURCE'],
      'cflags_cc': ['-std=c++17', '-fno-exceptions', '-fno-rtti', '-Wall', '-Wextra', '-Wno-missing-field-initializers', '-fvisibility=hidden'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20', '-std=gnu++14'],
    },
  ],
}
