import { createNftGeneration } from '@tartan/netlink';
import { createNamespace } from './support/namespaces';

test('the generation grows with every transaction, of nft and of iptables-nft, in its namespace only', async () => {
  const [one, two] = await Promise.all([createNamespace(), createNamespace()]);
  const generation = createNftGeneration({ netns: one.pid });
  const other = createNftGeneration({ netns: two.pid });
  try {
    const [first, elsewhere] = [await generation.read(), await other.read()];
    expect(await generation.read()).toBe(first);
    one.run('nft', 'add table ip a');
    const second = await generation.read();
    expect(second).toBeGreaterThan(first);
    one.run('iptables-nft', '-P', 'FORWARD', 'DROP');
    const third = await generation.read();
    expect(third).toBeGreaterThan(second);
    one.run('nft', 'list ruleset');
    expect(await generation.read()).toBe(third);
    one.run('nft', 'flush ruleset');
    expect(await generation.read()).toBeGreaterThan(third);
    expect(await other.read()).toBe(elsewhere);
  } finally {
    generation.close();
    other.close();
    await Promise.all([one.close(), two.close()]);
  }
});
