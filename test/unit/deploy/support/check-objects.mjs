// A JSON list of API objects on standard input → ["path: what is wrong"] on standard output. A program of its own because the official
// client is an ES module, which jest's CommonJS world cannot load.
//
// Checks against the API's types without a server: the client's models know the members of every object and their types. They do
// not know which members are required; the tests name the ones that matter.
import { readFileSync } from 'node:fs';
import * as client from '@kubernetes/client-node';

const objects = JSON.parse(readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(objects.flatMap((object) => problemsOf(object, `V1${object.kind}`, object.kind))));

function problemsOf(value, type, path) {
  const list = /^Array<(.+)>$/.exec(type)?.[1];
  if (list !== undefined) {
    if (!Array.isArray(value)) return [`${path}: not a list`];
    return value.flatMap((item, index) => problemsOf(item, list, `${path}[${index}]`));
  }
  const map = /^\{ \[key: string\]: (.+); \}$/.exec(type)?.[1];
  if (map !== undefined) {
    if (!isObject(value)) return [`${path}: not an object`];
    return Object.entries(value).flatMap(([key, item]) => problemsOf(item, map, `${path}.${key}`));
  }
  if (type === 'IntOrString')
    return ['number', 'string'].includes(typeof value) ? [] : [`${path}: not a number or text`];
  if (['string', 'number', 'boolean'].includes(type)) return typeof value === type ? [] : [`${path}: not a ${type}`];
  if (type === 'Date' || type === 'any') return [];
  return problemsOfModel(value, type, path);
}

function problemsOfModel(value, type, path) {
  if (typeof client[type] !== 'function') return [`${path}: no model ${type}`];
  if (!isObject(value)) return [`${path}: not an object`];
  const members = new Map(client[type].getAttributeTypeMap().map((member) => [member.baseName, member]));
  return Object.entries(value).flatMap(([name, item]) => {
    const member = members.get(name);
    return member ? problemsOf(item, member.type, `${path}.${name}`) : [`${path}.${name}: unknown member`];
  });
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
