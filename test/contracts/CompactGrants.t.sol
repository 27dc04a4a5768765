// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {Consortium} from "./support/Consortium.sol";
import {Vm} from "./support/Vm.sol";

/// @notice The compact relay against its readable twin: the same message relayed both ways leaves the same word and the
/// same event, or is refused for the same reason.
contract CompactGrantsTest is Consortium {
    struct Terms {
        uint8 action;
        uint32 purposes;
        uint64 categories;
        uint40 from;
        uint40 to;
        uint40 deadline;
        uint32 serial;
        bool stranger;
        bool grantedBefore;
    }

    function testFuzz_sameAsTheGeneralForm(Terms memory terms) public {
        IConsentRegistry.Grant memory consent = fuzzed(terms);
        uint256 privateKey = terms.stranger ? STRANGER_KEY : ALICE_KEY;
        IConsentRegistry.CompactGrant memory lean = compact(consent, privateKey);
        bytes memory by = signed(consent, privateKey);
        bytes32 location = consents.slotOf(ALICE, B, consent.labels[0], terms.action);

        bytes32 before = vm.load(address(consents), location);
        vm.recordLogs();
        (bool done, bytes memory reason) = address(consents).call(abi.encodeCall(consents.grantSigned, (consent, by)));
        Vm.Log[] memory general = vm.getRecordedLogs();
        bytes32 generalWord = vm.load(address(consents), location);

        vm.store(address(consents), location, before);
        vm.recordLogs();
        (bool leanDone, bytes memory leanReason) = address(consents).call(abi.encodeCall(consents.grantCompact, (lean)));
        Vm.Log[] memory leanLogs = vm.getRecordedLogs();

        assertTrue(done == leanDone, "both hold or neither");
        assertEq(vm.load(address(consents), location), generalWord, "word");
        if (done) {
            assertEq(leanLogs.length, 1, "one event");
            assertEq(keccak256(abi.encode(leanLogs[0])), keccak256(abi.encode(general[0])), "event");
        } else {
            bytes memory expected =
                abi.encodeWithSelector(IConsentRegistry.RelayRefused.selector, ALICE, bytes4(reason));
            assertEq(keccak256(leanReason), keccak256(expected), "reason");
        }
    }

    function test_aBatchSkipsWhatDoesNotHold() public {
        IConsentRegistry.CompactGrant[] memory batch = new IConsentRegistry.CompactGrant[](3);
        bytes32[3] memory grantees = [A, B, DOCTOR];
        for (uint256 i = 0; i < 3; ++i) {
            batch[i] = compact(grantOf(ALICE, grantees[i]), i == 1 ? STRANGER_KEY : ALICE_KEY);
        }
        vm.expectEmit(address(consents));
        emit IConsentRegistry.RelaySkipped(1, ALICE, IConsentRegistry.InvalidSignature.selector);
        consents.grantCompactBatch(batch);
        assertTrue(mayRead(ALICE, A) && mayRead(ALICE, DOCTOR), "the others stand");
        assertFalse(mayRead(ALICE, B), "skipped");
    }

    function test_noReplay() public {
        IConsentRegistry.CompactGrant memory lean = compact(grantOf(ALICE, B), ALICE_KEY);
        consents.grantCompact(lean);
        bytes memory used = abi.encodeWithSelector(
            IConsentRegistry.RelayRefused.selector, ALICE, IConsentRegistry.InvalidNonce.selector
        );
        vm.expectRevert(used);
        consents.grantCompact(lean);
        // The other s of the same signature is no second right.
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        uint256 high = uint256(lean.vs) >> 255;
        uint256 s = uint256(lean.vs) & (type(uint256).max >> 1);
        lean.vs = bytes32((order - s) & (type(uint256).max >> 1) | ((1 - high) << 255));
        vm.expectPartialRevert(IConsentRegistry.RelayRefused.selector);
        consents.grantCompact(lean);
    }

    function test_voidAfterARevocation() public {
        IConsentRegistry.CompactGrant memory lean = compact(grantOf(ALICE, B), ALICE_KEY);
        vm.prank(alice);
        consents.revokeLabel(ALICE, DOCTOR, HIV, CAN_READ);
        vm.expectRevert(
            abi.encodeWithSelector(
                IConsentRegistry.RelayRefused.selector, ALICE, IConsentRegistry.InvalidSignature.selector
            )
        );
        consents.grantCompact(lean);
    }

    function test_notInCustody() public {
        IConsentRegistry.CompactGrant memory lean = compact(grantOf(CAROL, B), A_KEY);
        vm.expectRevert(
            abi.encodeWithSelector(
                IConsentRegistry.RelayRefused.selector, CAROL, IConsentRegistry.InvalidSignature.selector
            )
        );
        consents.grantCompact(lean);
        // And never for one whom nobody speaks for: a broken signature recovers nobody, and so is the account's controller.
        lean.patient = keccak256("unknown");
        lean.r = 0;
        vm.expectPartialRevert(IConsentRegistry.RelayRefused.selector);
        consents.grantCompact(lean);
    }

    function fuzzed(Terms memory terms) private returns (IConsentRegistry.Grant memory consent) {
        terms.action = uint8(bound(terms.action, 0, 7));
        consent = grantOf(ALICE, B);
        if (terms.grantedBefore) {
            consent.actions = 63;
            vm.prank(alice);
            consents.grant(consent);
        }
        consent.labels = one(terms.purposes & 1 == 0 ? GENERAL : ALL_LABELS);
        consent.actions = uint8(1 << terms.action);
        // Mostly near the edges, where the rules change.
        consent.purposes = terms.purposes % 5 == 0 ? 0 : terms.purposes;
        if (terms.purposes % 3 != 0) consent.purposes &= ~BREAK_GLASS;
        consent.categories = terms.categories % 5 == 0 ? 0 : terms.categories;
        consent.from = NOW + uint40(bound(terms.from, 0, 4)) - 2;
        consent.to = terms.to % 3 == 0 ? NOW + uint40(bound(terms.to, 0, 4)) - 2 : OPEN_END;
        consent.deadline = NOW + uint40(bound(terms.deadline, 0, 9)) - 1;
        consent.nonce = uint64(consent.nonce & ~uint64(type(uint32).max)) + NOW + uint64(bound(terms.serial, 0, 3)) - 1;
    }
}
