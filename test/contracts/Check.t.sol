// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {Consortium} from "./support/Consortium.sol";

/// @notice The question: `check` against a decision written out here, on words and accounts of any value.
contract CheckTest is Consortium {
    struct Question {
        bytes32 label;
        uint256 action;
        uint256 purposes;
        uint256 categories;
    }

    struct State {
        uint40 from;
        uint40 to;
        uint32 purposes;
        uint64 categories;
        uint32 epoch;
        uint16 flags;
        uint32 serial;
        uint32 accountEpoch;
        bool vetoed;
        bool active;
        uint40 time;
    }

    function testFuzz_checkIsTheReference(Question memory q, State memory s) public {
        (q, s) = nearTheEdges(q, s);
        write(q, s);
        bool expected = decided(q, s);
        assertTrue(consents.check(ALICE, B, q.label, q.action, q.purposes, q.categories) == expected, "check");
        assertTrue(
            (consents.denial(ALICE, B, q.label, q.action, q.purposes, q.categories) == IConsentRegistry.Denial.None)
                == expected,
            "denial"
        );
    }

    /// @dev An identity registry that is not there or fails makes nobody active.
    function test_withoutAnswerNobodyIsActive() public {
        address[2] memory registries = [stranger, address(new Failing())];
        for (uint256 i = 0; i < 2; ++i) {
            IConsentRegistry alone =
                IConsentRegistry(vm.deployCode("ConsentRegistry.sol:ConsentRegistry", abi.encode(registries[i])));
            uint256 word = uint256(NOW) | (uint256(OPEN_END) << 40) | (uint256(TREAT) << 80) | (uint256(1) << 112);
            vm.store(address(alone), alone.slotOf(ALICE, B, GENERAL, READ), bytes32(word));
            assertTrue(
                alone.denial(ALICE, B, GENERAL, READ, TREAT, 1) == IConsentRegistry.Denial.GranteeNotActive, "denial"
            );
            (bool done,) = address(alone).staticcall(abi.encodeCall(alone.check, (ALICE, B, GENERAL, READ, TREAT, 1)));
            assertFalse(done, "check has no answer");
        }
    }

    /// @dev All that the fuzzer rarely meets at once: a question that is answered yes, then each single reason for no.
    function test_everyReason() public {
        Question memory yes = Question(GENERAL, READ, TREAT, 1);
        State memory s = State(NOW, NOW + 10, TREAT, 1, 0, 0, 1, 0, false, true, NOW);
        expect(yes, s, IConsentRegistry.Denial.None);
        s.time = NOW + 9;
        expect(yes, s, IConsentRegistry.Denial.None);
        s.time = NOW + 10;
        expect(yes, s, IConsentRegistry.Denial.Expired);
        s.time = NOW - 1;
        expect(yes, s, IConsentRegistry.Denial.NotYet);
        s.time = NOW;
        s.accountEpoch = 1;
        expect(yes, s, IConsentRegistry.Denial.EpochEnded);
        s.accountEpoch = 0;
        s.active = false;
        expect(yes, s, IConsentRegistry.Denial.GranteeNotActive);
        s.active = true;
        expect(Question(GENERAL, READ, TREAT | RESEARCH, 1), s, IConsentRegistry.Denial.Purpose);
        expect(Question(GENERAL, READ, 0, 1), s, IConsentRegistry.Denial.Purpose);
        expect(Question(GENERAL, READ, TREAT | (1 << 32), 1), s, IConsentRegistry.Denial.Purpose);
        expect(Question(GENERAL, READ, TREAT, 3), s, IConsentRegistry.Denial.Category);
        expect(Question(GENERAL, READ, TREAT, 0), s, IConsentRegistry.Denial.Category);
        expect(Question(GENERAL, READ, TREAT, 1 | (1 << 64)), s, IConsentRegistry.Denial.Category);
        expect(Question(GENERAL, 7, TREAT, 1), s, IConsentRegistry.Denial.NoConsent);
        s.to = 0;
        expect(yes, s, IConsentRegistry.Denial.NoConsent);
    }

    function test_unknownMeansNo() public view {
        assertFalse(consents.check(keccak256("nobody"), keccak256("nothing"), GENERAL, READ, TREAT, 1), "unknown");
        assertFalse(consents.check(0, 0, 0, 0, 0, 0), "zero");
    }

    function test_theGranteesOwnStandingDecides() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, DOCTOR);
        vm.prank(alice);
        consents.grant(consent);
        vm.prank(admin);
        identity.setStatus(B, IIdentityRegistry.Status.Suspended);
        assertTrue(mayRead(ALICE, DOCTOR), "the person's, not the entity's");
        vm.prank(admin);
        identity.setStatus(DOCTOR, IIdentityRegistry.Status.Revoked);
        assertFalse(mayRead(ALICE, DOCTOR), "revoked");
        // A grant to someone who is not registered yet begins to count with the registration.
        bytes32 later = keccak256("later");
        consent = grantOf(ALICE, later);
        vm.prank(alice);
        consents.grant(consent);
        assertFalse(mayRead(ALICE, later), "unknown");
        vm.prank(admin);
        identity.registerEntity(registration(later, stranger));
        assertTrue(mayRead(ALICE, later), "registered");
    }

    function test_atMostThreeReads() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        vm.prank(alice);
        consents.grant(consent);
        vm.record();
        assertTrue(mayRead(ALICE, B), "allowed");
        (bytes32[] memory here,) = vm.accesses(address(consents));
        (bytes32[] memory there,) = vm.accesses(address(identity));
        assertEq(here.length, 2, "account and word");
        assertEq(there.length, 1, "standing");
        assertEq(here[0], consents.accountSlotOf(ALICE), "account slot, for eth_getProof");
        assertEq(here[1], consents.slotOf(ALICE, B, GENERAL, READ), "word slot, for eth_getProof");
        assertEq(consents.slotOf(ALICE, B, GENERAL, READ), keccak256(abi.encode(ALICE, B, GENERAL, READ)), "formula");
        uint256 account = uint256(vm.load(address(consents), here[0]));
        assertEq(address(uint160(account)), alice, "controller in the account");
    }

    function test_accountLayout() public {
        vm.startPrank(alice);
        consents.revokeAll(ALICE);
        consents.setEmergencyVeto(ALICE, true);
        vm.stopPrank();
        uint256 account = uint256(vm.load(address(consents), consents.accountSlotOf(ALICE)));
        assertEq(uint32(account >> 160), 1, "epoch");
        assertEq(uint32(account >> 192), consents.revocationNonce(ALICE), "revocations");
        assertEq(account >> 224, 1, "veto");
        assertEq(consents.grantNonce(ALICE), (uint64(consents.revocationNonce(ALICE)) << 32) | NOW, "grant nonce");
    }

    function decided(Question memory q, State memory s) private pure returns (bool) {
        if (q.purposes == 0 || q.categories == 0 || !s.active) return false;
        if (q.purposes == BREAK_GLASS) {
            if (q.action != READ || s.vetoed) return false;
        } else if (q.action > 5) {
            return false;
        }
        if (s.time < s.from || s.time >= s.to || s.epoch != s.accountEpoch) return false;
        return q.purposes & uint256(s.purposes) == q.purposes && q.categories & uint256(s.categories) == q.categories;
    }

    function expect(Question memory q, State memory s, IConsentRegistry.Denial reason) private {
        write(q, s);
        assertTrue(consents.denial(ALICE, B, q.label, q.action, q.purposes, q.categories) == reason, "reason");
        assertTrue(
            consents.check(ALICE, B, q.label, q.action, q.purposes, q.categories)
                == (reason == IConsentRegistry.Denial.None),
            "check"
        );
    }

    /// @dev Puts the state where `check` reads it.
    function write(Question memory q, State memory s) private {
        bool glass = q.purposes == BREAK_GLASS;
        bytes32 location = keccak256(abi.encode(ALICE, B, q.label, glass ? 6 : q.action));
        uint256 word = uint256(s.from) | (uint256(s.to) << 40) | (uint256(s.purposes) << 80)
            | (uint256(s.categories) << 112) | (uint256(s.epoch) << 176) | (uint256(s.flags) << 208)
            | (uint256(s.serial) << 224);
        vm.store(address(consents), location, bytes32(word));
        uint256 account = uint256(uint160(alice)) | (uint256(s.accountEpoch) << 160) | (s.vetoed ? 1 << 224 : 0);
        vm.store(address(consents), consents.accountSlotOf(ALICE), bytes32(account));
        if (s.active != (identity.party(B).status == IIdentityRegistry.Status.Active)) {
            vm.prank(admin);
            identity.setStatus(B, s.active ? IIdentityRegistry.Status.Active : IIdentityRegistry.Status.Suspended);
        }
        vm.warp(s.time);
    }

    function nearTheEdges(Question memory q, State memory s) private pure returns (Question memory, State memory) {
        s.time = NOW + uint40(bound(s.time, 0, 6));
        s.from = NOW + uint40(bound(s.from, 0, 4));
        s.to = s.to % 7 == 0 ? 0 : NOW + uint40(bound(s.to, 3, 9));
        (s.accountEpoch, s.epoch) = (s.accountEpoch % 2, s.epoch % 2);
        s.active = s.active || s.serial % 2 == 0;
        q.action = q.action % 9;
        if (q.purposes % 3 == 0) (q.purposes, s.purposes) = (BREAK_GLASS, s.purposes | uint32(BREAK_GLASS));
        else if (q.purposes % 4 != 0) q.purposes = (q.purposes % 1024) & s.purposes;
        if (q.categories % 4 != 0) q.categories = q.categories & s.categories;
        return (q, s);
    }
}

contract Failing {
    fallback() external {
        assembly {
            mstore(0x00, 1)
            revert(0x00, 0x20)
        }
    }
}
