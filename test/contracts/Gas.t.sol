// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {Consortium} from "./support/Consortium.sol";

/// @notice What transactions cost, all in: each call is a transaction of its own (isolation), with its calldata and its
/// base fee; what `check` costs is measured inside a call, from cold storage. Figures go to snapshots/Gas.json, which
/// `npm run test:contracts` holds to a tolerance.
contract GasTest is Consortium {
    string private constant GROUP = "Gas";

    /// @dev Base fee and calldata are in the measure only if calls are isolated.
    function test_grant() public {
        IConsentRegistry.CompactGrant memory consent = compact(grantOf(ALICE, B), ALICE_KEY);
        consents.grantCompact(consent);
        vm.snapshotGasLastCall(GROUP, "grant, relayed, one word");
        assertTrue(mayRead(ALICE, B), "granted");
    }

    function test_grantBatch() public {
        IConsentRegistry.CompactGrant[] memory batch = new IConsentRegistry.CompactGrant[](50);
        for (uint256 i = 0; i < 50; ++i) {
            batch[i] = compact(grantOf(ALICE, keccak256(abi.encode("grantee", i))), ALICE_KEY);
        }
        consents.grantCompactBatch(batch);
        vm.snapshotValue(GROUP, "grant, relayed, one word, each of a batch of 50", vm.lastCallGas().gasTotalUsed / 50);
    }

    function test_grantSigned() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        bytes memory signature_ = signed(consent, ALICE_KEY);
        consents.grantSigned(consent, signature_);
        vm.snapshotGasLastCall(GROUP, "grant, relayed, general form, one word");
        consent = grantOf(ALICE, DOCTOR);
        consent.labels = two(GENERAL, HIV);
        consent.actions = 63;
        signature_ = signed(consent, ALICE_KEY);
        consents.grantSigned(consent, signature_);
        vm.snapshotGasLastCall(GROUP, "grant, relayed, general form, two labels, six actions");
    }

    function test_revoke() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        vm.prank(alice);
        consents.grant(consent);
        vm.snapshotGasLastCall(GROUP, "grant, sent, one word");
        vm.prank(alice);
        consents.revokeLabel(ALICE, B, GENERAL, CAN_READ);
        vm.snapshotGasLastCall(GROUP, "revoke, sent, one word");
        vm.warp(NOW + 1);
        consent = grantOf(ALICE, B);
        vm.prank(alice);
        consents.grant(consent);
        vm.prank(alice);
        consents.revoke(ALICE, B, one(GENERAL), CAN_READ);
        vm.snapshotGasLastCall(GROUP, "revoke, sent, general form, one word");
        vm.warp(NOW + 2);
        consent = grantOf(ALICE, B);
        vm.prank(alice);
        consents.grant(consent);
        IConsentRegistry.Revocation memory revocation = revocationOf(ALICE, B);
        bytes memory signature_ = signed(revocation, ALICE_KEY);
        consents.revokeSigned(revocation, signature_);
        vm.snapshotGasLastCall(GROUP, "revoke, relayed, one word");
        vm.prank(alice);
        consents.revokeAll(ALICE);
        vm.snapshotGasLastCall(GROUP, "revokeAll, sent");
    }

    function test_admit() public {
        bytes32[] memory patients = new bytes32[](50);
        bytes32[] memory keys = new bytes32[](50);
        for (uint256 i = 0; i < 50; ++i) {
            (patients[i], keys[i]) = (keccak256(abi.encode("patient", i)), keccak256(abi.encode("key", i)));
        }
        IConsentRegistry.CareTerms memory terms = IConsentRegistry.CareTerms(63, 127, EVERY_CATEGORY, NOW, OPEN_END, 0);
        vm.prank(a);
        consents.admit(A, patients, keys, terms);
        vm.snapshotValue(GROUP, "admit with six care grants, each of a batch of 50", vm.lastCallGas().gasTotalUsed / 50);
    }

    function test_anchor() public {
        vm.prank(a);
        anchors.anchor(A, 0, keccak256("root"), keccak256("manifest"), 1000);
        vm.prank(a);
        anchors.anchor(A, 1, keccak256("root 2"), keccak256("manifest 2"), 1000);
        vm.snapshotGasLastCall(GROUP, "anchor, a batch of any size");
    }

    function test_check() public {
        consents.grantSigned(grantOf(ALICE, B), signed(grantOf(ALICE, B), ALICE_KEY));
        vm.cool(address(consents));
        vm.cool(address(identity));
        assertTrue(mayRead(ALICE, B), "granted");
        vm.snapshotGasLastCall(GROUP, "check, cold (isolated)");
    }
}
