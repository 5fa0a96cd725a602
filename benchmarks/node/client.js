// The official Node client under load: for each line {"at_once", "seconds"} it submits, and answers with what it did.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const grpc = require('@grpc/grpc-js');
const { connect, hash, signers } = require('@hyperledger/fabric-gateway');

const [folder, channel, chaincode] = process.argv.slice(2);
const read = (name) => fs.readFileSync(path.join(folder, name));
const profile = JSON.parse(read('connection.json'));
const peer = profile.peers[profile.organizations[profile.client.organization].peers[0]];
const roots = grpc.credentials.createSsl(Buffer.from(peer.tlsCACerts.pem));
const client = new grpc.Client(peer.url.replace('grpcs://', ''), roots);
const gateway = connect({
    client,
    hash: hash.sha256,
    identity: { mspId: read('mspid').toString().trim(), credentials: read('cert.pem') },
    signer: signers.newPrivateKeySigner(crypto.createPrivateKey(read('key.pem'))),
});
const contract = gateway.getNetwork(channel).getContract(chaincode);
const payload = 'x'.repeat(100);

async function load({ at_once: atOnce, seconds }) {
    const start = process.hrtime.bigint();
    const used = process.cpuUsage();
    const spent = () => Number(process.hrtime.bigint() - start) / 1e9;
    let submits = 0;
    const worker = async () => {
        while (spent() < seconds) {
            await contract.submitTransaction('put', payload);
            submits += 1;
        }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    const { user, system } = process.cpuUsage(used);
    return { submits, seconds: spent(), cpu: (user + system) / 1e6 };
}

(async () => {
    process.stdout.write('ready\n');
    for await (const line of readline.createInterface({ input: process.stdin })) {
        process.stdout.write(`${JSON.stringify(await load(JSON.parse(line)))}\n`);
    }
    gateway.close();
    client.close();
})();
