// The official Node client of the Fabric Gateway, told what to do by lines of JSON and answering each with one.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const grpc = require('@grpc/grpc-js');
const { checkpointers, connect, hash, signers } = require('@hyperledger/fabric-gateway');

const [folder, channelName, chaincodeName] = process.argv.slice(2);
const read = (name) => fs.readFileSync(path.join(folder, name));
const profile = JSON.parse(read('connection.json'));
const peer = profile.peers[profile.organizations[profile.client.organization].peers[0]];
const client = new grpc.Client(
    peer.url.replace('grpcs://', ''),
    grpc.credentials.createSsl(Buffer.from(peer.tlsCACerts.pem)),
);
const gateway = connect({
    client,
    hash: hash.sha256,
    identity: { mspId: read('mspid').toString().trim(), credentials: read('cert.pem') },
    signer: signers.newPrivateKeySigner(crypto.createPrivateKey(read('key.pem'))),
});
const network = gateway.getNetwork(channelName);
const contract = network.getContract(chaincodeName);
const text = (bytes) => Buffer.from(bytes).toString();

async function take(events, count, pick) {
    const found = [];
    try {
        for await (const event of events) {
            found.push(pick(event));
            if (found.length === count) {
                break;
            }
        }
    } finally {
        events.close();
    }
    return found;
}

const commands = {
    submit: async ({ name, args }) => text(await contract.submitTransaction(name, ...args)),
    evaluate: async ({ name, args }) => text(await contract.evaluateTransaction(name, ...args)),
    transient: async ({ name, args, transient }) =>
        text(await contract.submit(name, { arguments: args, transientData: transient })),
    by: async ({ name, args, endorsers }) =>
        text(await contract.submit(name, { arguments: args, endorsingOrganizations: endorsers })),
    async: async ({ name, args }) => {
        const commit = await contract.submitAsync(name, { arguments: args });
        const status = await commit.getStatus();
        return { id: commit.getTransactionId(), block: Number(status.blockNumber), successful: status.successful };
    },
    conflict: async ({ name, args }) => {
        const transactions = [];
        for (let i = 0; i < 2; i += 1) {
            transactions.push(await contract.newProposal(name, { arguments: args }).endorse());
        }
        const commits = [];
        for (const transaction of transactions) {
            commits.push(await transaction.submit());
        }
        const statuses = await Promise.all(commits.map((commit) => commit.getStatus()));
        return statuses.map((status) => status.code);
    },
    many: async ({ name, count }) => {
        const started = process.hrtime.bigint();
        const keys = Array.from({ length: count }, (_, i) => `many${i}`);
        await Promise.all(keys.map((key) => contract.submitTransaction(name, key, key)));
        return Number(process.hrtime.bigint() - started) / 1e9;
    },
    events: async ({ start, count }) => {
        const events = await network.getChaincodeEvents(chaincodeName, { startBlock: BigInt(start) });
        return take(events, count, (event) => [event.eventName, text(event.payload), event.transactionId]);
    },
    resumed: async ({ block, transaction, count }) => {
        const checkpoint = checkpointers.inMemory();
        await checkpoint.checkpointTransaction(BigInt(block), transaction);
        const events = await network.getChaincodeEvents(chaincodeName, { checkpoint });
        return take(events, count, (event) => [event.eventName, text(event.payload), event.transactionId]);
    },
    blocks: async ({ start, count }) => {
        const events = await network.getBlockEvents({ startBlock: BigInt(start) });
        return take(events, count, (block) => block.getHeader().getNumber());
    },
    filtered: async ({ start, count }) => {
        const events = await network.getFilteredBlockEvents({ startBlock: BigInt(start) });
        return take(events, count, (block) => [block.getNumber(), block.getFilteredTransactionsList().length]);
    },
    private: async ({ start, count }) => {
        const events = await network.getBlockAndPrivateDataEvents({ startBlock: BigInt(start) });
        return take(events, count, (both) => [both.getBlock().getHeader().getNumber(), both.getPrivateDataMapMap().getLength()]);
    },
    chain: async ({ name, args }) => {
        const result = await network.getContract('qscc').evaluateTransaction(name, ...args);
        return Buffer.from(result).toString('base64');
    },
    elsewhere: async ({ channel, chaincode }) =>
        text(await gateway.getNetwork(channel).getContract(chaincode).evaluateTransaction('get', 'k')),
};

async function answer(line) {
    const command = JSON.parse(line);
    try {
        return { value: await commands[command.do](command) };
    } catch (error) {
        const details = (error.details || []).map(({ mspId, message, address }) => ({ mspId, message, address }));
        const code = error.code === undefined ? null : error.code;
        return { error: error.constructor.name, code, message: error.message, details };
    }
}

(async () => {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
    }
    gateway.close();
    client.close();
})();
