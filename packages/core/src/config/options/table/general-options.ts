import { listOption, switchOption, textOption } from '../option-kinds';

export const generalOptions = {
  config: textOption({
    section: 'General',
    placeholder: 'FILE',
    default: '',
    help: 'JSON file of option names (without dashes) and values. The command line wins over the environment, the environment over this file.',
  }),
  'strict-config': switchOption({
    section: 'General',
    default: false,
    help: 'Refuse a network config with unknown keys instead of warning about them.',
  }),
  'node-name': textOption({
    section: 'General',
    placeholder: 'NAME',
    default: '',
    env: ['NODE_NAME'],
    help: 'Name of this node in leases, logs and messages. Without it the host name.',
  }),
  // ENV TARTAND_VERSION=1.2.3 is a usual line of an image file: these two are for the command line only.
  version: switchOption({
    section: 'General',
    origin: 'flannel',
    env: false,
    default: false,
    help: 'Print the version and exit.',
  }),
  help: switchOption({ section: 'General', env: false, short: 'h', default: false, help: 'Print this text and exit.' }),
};

export const backendOptions = {
  'backend-module': listOption({
    section: 'Backend',
    placeholder: 'NAME_OR_PATH',
    expected: 'the name of an installed package, or a path',
    help: 'Load a third-party backend: the name of an installed package, or a path. Repeatable.',
  }),
};
